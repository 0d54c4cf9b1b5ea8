"""The pages of fine-tunes and exports, for the right person, the wrong one and the anonymous one."""

import pytest
from asgiref.sync import async_to_sync
from django.urls import reverse

from curation.models import Membership
from jobs import finetunes
from jobs.models import Export, FineTune, FineTuneEvent
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def finetune(version, provider) -> FineTune:
    return finetunes.launch(version, provider)


def test_an_operator_starts_one_and_watches_it(person, browser_of, version, provider, stub: Stub):
    browser = browser_of(person("olga", Role.OPERATOR))
    page = browser.get(reverse("finetune_new", args=["support"])).content.decode()
    assert "12</b> training examples of" in page
    answer = browser.post(reverse("finetune_new", args=["support"]), {"version": 1, "provider": provider.pk})
    finetune = FineTune.objects.get()
    assert answer.url == reverse("finetune", args=["support", finetune.pk])
    assert (finetune.created_by.username, finetune.base_model) == ("olga", "base")

    page = browser.get(answer.url).content.decode()
    assert 'hx-trigger="every 2s"' in page
    drive(finetune)
    fragment = browser.get(answer.url, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "ft:base:test:support:1" in fragment
    assert "It is being evaluated: 0 of 8 answers" in fragment
    assert "hx-trigger" in fragment
    drive(finetune.model_version.evaluations.get())
    fragment = browser.get(answer.url, headers={"HX-Request": "true"}).content.decode()
    assert "See what it is worth" in fragment
    assert "hx-trigger" not in fragment
    assert "ft:base:test:support:1" in browser.get(reverse("finetunes", args=["support"])).content.decode()


def test_the_provider_of_the_project_is_taken_unless_another_is_chosen(person, browser_of, version, provider):
    browser = browser_of(person("olga", Role.OPERATOR))
    browser.post(reverse("finetune_new", args=["support"]), {"version": 1, "base_model": "bigger"})
    assert (FineTune.objects.get().provider, FineTune.objects.get().base_model) == (provider, "bigger")


@pytest.mark.parametrize(
    "sent", [{}, {"version": 9}, {"version": "x"}, {"version": "1\0"}, {"version": 1, "provider": 0}]
)
def test_a_bad_form_is_shown_again_with_the_reason(person, browser_of, version, provider, sent):
    browser = browser_of(person("olga", Role.OPERATOR))
    answer = browser.post(reverse("finetune_new", args=["support"]), sent)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert not FineTune.objects.exists()


def test_too_few_examples_are_said_on_the_form(person, browser_of, project, provider, include):
    from curation.datasets import freeze

    include("Question?", "Answer.")
    freeze(project)
    browser = browser_of(person("olga", Role.OPERATOR))
    answer = browser.post(reverse("finetune_new", args=["support"]), {"version": 1})
    assert "providers want at least 10" in answer.content.decode()


def test_a_blocked_one_offers_the_three_ways_out(person, browser_of, finetune, stub: Stub):
    stub.create_as = "dropped"
    drive(finetune)
    browser = browser_of(person("olga", Role.OPERATOR))
    url = reverse("finetune", args=["support", finetune.pk])
    page = browser.get(url).content.decode()
    assert "A person must look" in page
    assert all(f'value="{verb}"' in page for verb in ("look", "relaunch", "give_up"))
    decide = reverse("finetune_decide", args=["support", finetune.pk])
    assert browser.post(decide, {"verb": "dance"}).status_code == 422
    answer = browser.post(decide, {"verb": "relaunch"})
    new = FineTune.objects.latest("pk")
    assert answer.url == reverse("finetune", args=["support", new.pk])
    assert new != finetune
    browser.post(decide, {"verb": "give_up"})
    assert "is not blocked any more" in browser.get(url).content.decode()


def test_cancel_is_a_button(person, browser_of, finetune):
    browser = browser_of(person("olga", Role.OPERATOR))
    browser.post(reverse("finetune_cancel", args=["support", finetune.pk]))
    finetune.refresh_from_db()
    assert finetune.cancel_requested_at
    assert drive(finetune).status == "cancelled"
    answer = browser.post(reverse("finetune_cancel", args=["support", finetune.pk]), follow=True)
    assert "It had finished already" in answer.content.decode()


def test_hostile_words_of_a_provider_are_shown_as_text(person, browser_of, finetune):
    FineTuneEvent.objects.create(finetune=finetune, event_id="1", message="<script>alert(1)</script>", level='"><b>')
    page = browser_of(person("vera", Role.VIEWER)).get(reverse("finetune", args=["support", finetune.pk]))
    assert "<script>alert" not in page.content.decode()
    assert "&lt;script&gt;alert" in page.content.decode()


async def read(chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def test_a_file_is_downloaded_once_it_is_written(person, browser_of, version):
    browser = browser_of(person("vera", Role.VIEWER))
    url = reverse("export_download", args=["support", 1, "train"])
    assert "The file is being written" in browser.get(url).content.decode()
    step(Export.objects.get())
    answer = browser.get(url)
    data = async_to_sync(read)(answer.streaming_content)
    assert data.count(b"\n") == 12
    assert answer["Content-Disposition"] == 'attachment; filename="support-v1-train.openai-chat.jsonl"'
    assert answer["Content-Length"] == str(len(data))
    browser.get(f"{url}?format=prompt-completion")
    assert Export.objects.count() == 2
    assert "OpenAI chat" in browser.get(reverse("exports", args=["support"])).content.decode()


@pytest.mark.parametrize("tail", ["1/valid/", "9/train/", "1/train/?format=../../etc", "1/train/?format=%00"])
def test_what_is_no_export_is_not_found(person, browser_of, version, tail):
    browser = browser_of(person("vera", Role.VIEWER))
    assert browser.get(f"/projects/support/exports/{tail}").status_code == 404
    assert not Export.objects.exists()


PAGES = [
    ("GET", "finetunes", [], Role.VIEWER),
    ("GET", "finetune", ["pk"], Role.VIEWER),
    ("GET", "finetune_new", [], Role.OPERATOR),
    ("POST", "finetune_new", [], Role.OPERATOR),
    ("POST", "finetune_cancel", ["pk"], Role.OPERATOR),
    ("POST", "finetune_decide", ["pk"], Role.OPERATOR),
    ("GET", "exports", [], Role.VIEWER),
    ("GET", "export_download", [1, "train"], Role.VIEWER),
]


@pytest.mark.parametrize(("method", "name", "parts", "least"), PAGES)
def test_who_may(person, browser_of, finetune, method, name, parts, least):
    url = reverse(name, args=["support", *(finetune.pk if part == "pk" else part for part in parts)])
    ask = {"GET": "get", "POST": "post"}[method]
    assert getattr(browser_of(person("right", least)), ask)(url).status_code in (200, 302, 422)
    below = {Role.VIEWER: None, Role.OPERATOR: Role.REVIEWER}[least]
    if below is not None:
        assert getattr(browser_of(person("below", below)), ask)(url).status_code == 403
    assert getattr(browser_of(person("stranger")), ask)(url).status_code == 404
    answer = getattr(browser_of(None), ask)(url)
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/login/")


def test_lists_load_no_long_columns(person, browser_of, finetune, django_assert_max_num_queries):
    browser = browser_of(person("vera", Role.VIEWER))
    for name in ("finetunes", "exports"):
        with django_assert_max_num_queries(9) as queries:
            browser.get(reverse(name, args=["support"]))
        sql = " ".join(query["sql"] for query in queries.captured_queries)
        assert '"curation_datasetversion"."training_prompt"' not in sql
        assert '"jobs_finetune"."error"' not in sql


def test_another_projects_fine_tune_is_not_found(person, browser_of, finetune):
    from curation.projects import create_project

    olga = person("olga", Role.OPERATOR)
    other = create_project("other", owner=olga)
    assert browser_of(olga).get(reverse("finetune", args=[other.slug, finetune.pk])).status_code == 404
