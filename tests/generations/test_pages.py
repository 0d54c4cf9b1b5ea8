"""The pages of generations and written inputs, used as a person without JavaScript uses them."""

import hashlib
import json
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from curation.projects import create_project
from jobs import generations, inputs
from jobs.models import Generation, GenerationItem, InputDraft
from tests.asking import ask
from tests.machines import drive, step
from tests.provider_stub import Stub

pytestmark = pytest.mark.django_db
Status = GenerationItem.Status


SETTINGS = {"name": "Names", "system_prompt": "", "model": "base", "separator": "semicolon", "per_second": "50"}


def test_from_a_table_to_answers_that_wait_for_review(operator, url, provider, stub: Stub, project):
    table = SimpleUploadedFile("names.csv", "name,town\nAda,London\nBjörk,Reykjavík\n".encode("cp1252"))
    response = operator.post(url("generation_new"), {"table": table})
    generation = Generation.objects.get()
    assert response.url == url("generation_edit", generation.pk)
    page = operator.get(response.url).content.decode()
    assert "Reykjavík" in page

    form = SETTINGS | {"template": "Greet {{ name }}\r\nof {{ town }}.", "provider": provider.pk}
    response = operator.post(url("generation_edit", generation.pk), form)
    assert response.url == url("generation", generation.pk)
    page = operator.get(response.url).content.decode()
    assert '<mark title="name">Björk</mark>\nof <mark title="town">Reykjavík</mark>.' in page
    assert "2 rows make 2 prompts" in page
    assert "Fewer than 200" in page
    assert not stub.count("POST /chat/completions")

    operator.post(url("generation_start", generation.pk), {"how": "all"})
    generation.refresh_from_db()
    assert generation.is_moving
    assert 'hx-trigger="every 2s"' in operator.get(response.url).content.decode()
    drive(generation)
    page = operator.get(response.url).content.decode()
    assert "Finished: 2 of 2 prompts are answered." in page
    assert "hx-trigger" not in page
    for item in generation.items.all():
        assert url("review_exchange", item.exchange_id) in page
        assert item.prompt.count("\r") == 0


def test_cells_may_be_pasted(operator, url, provider):
    response = operator.post(url("generation_new"), {"pasted": "a\tb\r\n1\t2\r\n", "name": "Mine"})
    generation = Generation.objects.get()
    assert response.url == url("generation_edit", generation.pk)
    assert (generation.name, generation.columns, generation.row_count) == ("Mine", ["a", "b"], 1)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_table_of_megabytes_goes_the_way_of_large_files(operator, url, provider, kind):
    cells = [f"cell {number} " + "x" * 1000 for number in range(4000)]
    if kind == "csv":
        data = "\n".join(["a,b", *(f'"{cell}",1' for cell in cells)])
    else:
        data = "\n".join(json.dumps({"a": cell, "b": 1}) for cell in cells)
    assert len(data) > 3 * 2**20
    response = operator.post(url("generation_new"), {"table": SimpleUploadedFile(f"x.{kind}", data.encode())})
    generation = Generation.objects.get()
    assert response.url == url("generation_edit", generation.pk)
    assert generation.table_sha256 == hashlib.sha256(data.encode()).hexdigest()
    generations.write(generation, template="{{ a }}", skips_empty=False)
    assert generation.items.count() == 4000
    assert generation.items.get(position=4000).prompt == cells[-1]


def test_a_table_that_is_gone_is_said(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada")
    generation.table.delete(save=False)
    response = operator.get(url("generation_edit", generation.pk), follow=True)
    assert "not in the storage any more" in response.content.decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({}, "Choose a file or paste a table."),
        ({"table": SimpleUploadedFile("x.csv", b"")}, "The file is empty"),
        ({"table": SimpleUploadedFile("x.csv", b"a,b\n1\n")}, "Row 2 has 1 cell, the first row has 2"),
        ({"pasted": "a,b\n1,2,3"}, "Row 2 has 3 cells"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_reason(operator, url, provider, sent, words):
    response = operator.post(url("generation_new"), sent)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Generation.objects.exists()


def test_a_template_that_cannot_be_used_is_refused_and_kept_on_the_page(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada")
    form = SETTINGS | {"template": "Hi {{ nam }}", "provider": generation.provider_id}
    response = operator.post(url("generation_edit", generation.pk), form)
    page = response.content.decode()
    assert response.status_code == 422
    assert "no column “nam”. Did you mean name?" in page
    assert "Hi {{ nam }}</textarea>" in page
    generation.refresh_from_db()
    assert generation.template == "{{ name }}"


@pytest.mark.parametrize(
    "wrong",
    [{"per_second": "0"}, {"per_second": "nan"}, {"per_second": "1e9"}, {"request_limit": "-1"}, {"separator": "x"}],
)
def test_settings_that_make_no_sense_are_refused(operator, url, drafted, wrong):
    generation = drafted("{{ name }}", "Ada")
    form = SETTINGS | {"template": "{{ name }}!", "provider": generation.provider_id} | wrong
    assert operator.post(url("generation_edit", generation.pk), form).status_code == 422


def test_a_provider_of_another_project_cannot_be_chosen(operator, url, drafted):
    other = create_project("other").default_provider
    generation = drafted("{{ name }}", "Ada")
    form = SETTINGS | {"template": "{{ name }}", "provider": other.pk}
    assert operator.post(url("generation_edit", generation.pk), form).status_code == 422


def test_what_was_run_is_not_edited_but_copied(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada", "Bob")
    generations.start(generation)
    assert operator.get(url("generation_edit", generation.pk)).status_code == 302
    response = operator.post(url("generation_copy", generation.pk))
    copied = Generation.objects.exclude(pk=generation.pk).get()
    assert response.url == url("generation_edit", copied.pk)
    assert "{{ name }}</textarea>" in operator.get(response.url).content.decode()


def test_known_prompts_are_told_and_asked_again_on_demand(operator, url, drafted, project):
    ask(project, "ADA")
    generation = drafted("{{ name }}", "Ada", "Bob")
    page = operator.get(url("generation", generation.pk)).content.decode()
    assert "1 the project has an answer for already. It is left out" in page
    assert "Run all 1" in page
    operator.post(url("generation_start", generation.pk), {"how": "all", "asks_again": "on"})
    assert generation.items.waiting().count() == 2


def test_nothing_new_to_ask_is_said(operator, url, drafted, project):
    ask(project, "ADA")
    generation = drafted("{{ name }}", "Ada")
    response = operator.post(url("generation_start", generation.pk), {"how": "all"}, follow=True)
    assert "nothing new to ask" in response.content.decode()


def test_a_sample_then_the_rest(operator, url, drafted):
    generation = drafted("{{ name }}", *(f"n{number}" for number in range(12)))
    operator.post(url("generation_start", generation.pk), {"how": "sample"})
    drive(Generation.objects.get())
    page = operator.get(url("generation", generation.pk)).content.decode()
    assert "The sample is done. 2 prompts were not sent." in page
    assert "Run the other 2" in page
    assert "Draft</span>" not in page


def test_pause_then_go_on_with_other_limits(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada", "Bob", "Cy")
    operator.post(url("generation_start", generation.pk), {"how": "all"})
    operator.post(url("generation_pause", generation.pk))
    step(Generation.objects.get())
    page = operator.get(url("generation", generation.pk)).content.decode()
    assert "Paused: 0 of 3 prompts are done." in page
    wrong = operator.post(url("generation_resume", generation.pk), {"per_second": "x"}, follow=True)
    assert "did not go on" in wrong.content.decode()
    operator.post(url("generation_resume", generation.pk), {"per_second": "50", "request_limit": "2"})
    drive(generation := Generation.objects.get())
    assert generation.request_count == 2
    page = operator.get(url("generation", generation.pk)).content.decode()
    assert "The limit is reached: 2 of 2 requests" in page


def test_failures_are_listed_with_the_reason_and_asked_again(operator, url, drafted, stub: Stub):
    choice = {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant", "content": None}}
    stub.answer = lambda model, messages: (200, {"object": "chat.completion", "choices": [choice]})
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    drive(generation)
    page = operator.get(url("generation", generation.pk) + "?show=failed").content.decode()
    assert "The model gave no text" in page
    operator.post(url("generation_retry", generation.pk))
    assert generation.items.waiting().count() == 1
    stub.answer = lambda model, messages: "fine"
    drive(Generation.objects.get())
    assert generation.items.get().status == Status.ANSWERED


def test_a_draft_may_be_discarded(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada")
    operator.post(url("generation_cancel", generation.pk))
    step(generation)
    page = operator.get(url("generation", generation.pk)).content.decode()
    assert "Cancelled before anything was sent." in page


def test_the_live_part_ends_with_a_fresh_page(operator, url, drafted):
    generation = drafted("{{ name }}", "Ada")
    generations.start(generation)
    response = operator.get(url("generation", generation.pk), headers={"HX-Request": "true"})
    assert "<html" not in response.content.decode()
    assert "HX-Refresh" not in response.headers
    drive(generation)
    response = operator.get(url("generation", generation.pk), headers={"HX-Request": "true"})
    assert response["HX-Refresh"] == "true"


def test_hostile_cells_are_shown_and_do_nothing(operator, url, drafted):
    generation = drafted("{{ name }}", "<script>alert(1)</script>", "=1+1", "\u202eevil", "</pre><img src=x onerror=y>")
    for address in (url("generation", generation.pk), url("generation_edit", generation.pk)):
        page = operator.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_pages_of_many_prompts_load_no_prompt_in_full(operator, url, drafted, django_assert_max_num_queries):
    generation = drafted("{{ name }}" + "x" * 300, *(f"n{number:03}" for number in range(120)))
    generations.start(generation)
    with django_assert_max_num_queries(12) as queries:
        page = operator.get(url("generation", generation.pk)).content.decode()
    assert len(re.findall(r"n0\d\dxxxx", page)) == 50  # not in the form's random token
    listed = [query["sql"] for query in queries if "SUBSTRING(" in query["sql"]]
    assert listed
    assert not any(re.search(r'(?<!SUBSTRING\()"jobs_generationitem"\."(prompt|variables)",', sql) for sql in listed)
    assert "n050" in operator.get(url("generation", generation.pk) + "?after=50").content.decode()
    assert "None." in operator.get(url("generation", generation.pk) + "?show=failed").content.decode()
    assert operator.get(url("generation", generation.pk) + "?show=nonsense&after=-1").status_code == 200


def test_lists_load_no_bodies(operator, url, drafted, django_assert_max_num_queries):
    for _ in range(3):
        drafted("{{ name }}", "Ada", system_prompt="very long")
    with django_assert_max_num_queries(8) as queries:
        operator.get(url("generations"))
    assert not any('"jobs_generation"."template"' in query["sql"] for query in queries)


def test_the_example_can_be_tried_at_once(operator, url, provider):
    response = operator.post(url("generation_example"))
    generation = Generation.objects.get()
    assert response.url == url("generation", generation.pk)
    assert generation.columns == ["DrugName", "ActiveIngredient", "Form", "Strength"]
    assert generation.row_count >= generations.FEW
    assert generations.figures(generation).new == generation.row_count
    page = operator.get(response.url).content.decode()
    assert "Fewer than" not in page
    assert "Run a sample of 10" in page


# Written inputs


def test_inputs_are_written_chosen_and_become_prompts(operator, url, project, provider, stub: Stub):
    row = ask(project, "Weather in Paris?")
    page = operator.get(url("inputs_new")).content.decode()
    assert "Weather in Paris?" in page
    stub.answer = lambda model, messages: '["Rain in <b>Oslo</b>", "Snow in Bern"]'
    form = {"task": "", "provider": provider.pk, "model": "strong", "wanted_count": "2", "per_request": "2"}
    response = operator.post(url("inputs_new"), form | {"examples": [row.pk]})
    draft = InputDraft.objects.get()
    assert response.url == url("inputs", draft.pk)
    assert draft.examples == ["Weather in Paris?"]
    assert 'hx-trigger="every 2s"' in operator.get(response.url).content.decode()
    drive(draft)
    page = operator.get(response.url).content.decode()
    assert "Rain in &lt;b&gt;Oslo&lt;/b&gt;" in page
    live = operator.get(response.url, headers={"HX-Request": "true"})
    assert live["HX-Refresh"] == "true"
    chosen = draft.inputs.get(text="Snow in Bern").pk
    response = operator.post(url("inputs_choose", draft.pk), {"chosen": [chosen]})
    generation = Generation.objects.get()
    assert response.url == url("generation", generation.pk)
    assert list(generation.items.values_list("prompt", flat=True)) == ["Snow in Bern"]
    assert "Snow in Bern" in operator.get(response.url).content.decode()


def test_asking_for_inputs_without_saying_what_they_are_for_is_refused(operator, url, provider):
    form = {"provider": provider.pk, "model": "strong", "wanted_count": "2", "per_request": "2"}
    response = operator.post(url("inputs_new"), form)
    assert response.status_code == 422
    assert "Say what the application does" in response.content.decode()
    for wrong in ({"wanted_count": "0"}, {"per_request": "101"}, {"wanted_count": "2001"}):
        assert operator.post(url("inputs_new"), form | {"task": "x"} | wrong).status_code == 422
    assert not InputDraft.objects.exists()


def test_choosing_nothing_is_said(operator, url, project, provider):
    draft = inputs.request_inputs(project, provider, "strong", task="x")
    response = operator.post(url("inputs_choose", draft.pk), {"chosen": ["999999"]}, follow=True)
    assert "Choose at least one input." in response.content.decode()
