"""The pages of graders."""

import json

import pytest

from curation.models import Membership, Project
from jobs.models import Grader

pytestmark = pytest.mark.django_db
Role = Membership.Role
URL = "/projects/support/graders/"


@pytest.fixture
def operator(person, browser_of):
    return browser_of(person("olga", Role.OPERATOR))


@pytest.fixture
def grader(project) -> Grader:
    return Grader.objects.create(project=project, name="near", definition={"type": "string_check", "operation": "ieq"})


def sent(definition, **more):
    return {"name": "near", "definition": definition if isinstance(definition, str) else json.dumps(definition)} | more


def test_a_new_one_begins_with_an_example_of_its_kind(operator):
    assert "0.3 * shape" in operator.get(URL + "new/?kind=multi").content.decode()
    assert "string_check" in operator.get(URL + "new/?kind=nonsense").content.decode()


def test_it_is_kept_changed_and_taken_away(operator):
    assert operator.post(URL + "new/", sent({"type": "json_equal"}, is_deciding="on")).url == URL
    grader = Grader.objects.get()
    assert (grader.name, grader.is_deciding, grader.edited_by.username) == ("near", True, "olga")
    assert "decides what is right" in operator.get(URL).content.decode()
    operator.post(f"{URL}{grader.pk}/", sent({"type": "json_fields"}))
    grader.refresh_from_db()
    assert (grader.definition, grader.is_deciding) == ({"type": "json_fields"}, False)
    operator.post(f"{URL}{grader.pk}/remove/")
    assert not Grader.objects.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sent("{"), "Enter a valid JSON"),
        (sent("[1]"), "A grader is a JSON object."),
        (sent({"type": "python"}), "“type” is one of"),
        (sent({"type": "json_equal"}, name=""), "This field is required"),
        (sent("[" * 100_000), "nested too deeply"),
        (sent({"type": "string_check", "operation": "eq", "name": "x" * 60_000}), "is too long"),
        (sent({"type": "regex", "pattern": "("}), "no regular expression"),
    ],
)
def test_what_is_no_grader_is_refused_in_words(operator, data, words):
    answer = operator.post(URL + "new/", data)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Grader.objects.exists()


def test_one_name_and_one_that_decides(operator, grader):
    assert "Another grader has this name." in operator.post(URL + "new/", sent({"type": "json_equal"})).content.decode()
    Grader.objects.update(is_deciding=True)
    again = operator.post(URL + "new/", sent({"type": "json_equal"}, name="other", is_deciding="on"))
    assert "“near” decides already" in again.content.decode()


def test_trying_keeps_nothing(operator, make_model, make_evaluation, version):
    page = operator.post(URL + "new/", sent({"type": "json_equal"}, **{"try": "1"})).content.decode()
    assert "nothing to try it on" in page
    make_evaluation(make_model("ft:1", version), base=1, tuned=3)
    page = operator.post(
        URL + "new/", sent({"type": "string_check", "operation": "ne"}, **{"try": "1"})
    ).content.decode()
    assert "It passes 8 of 8 answers" in page
    assert "judges 4 as they were judged there" in page
    assert not Grader.objects.exists()


def test_another_projects_grader_is_not_here(operator, grader):
    Grader.objects.update(project=Project.objects.create(slug="other", name="Other"))
    assert operator.get(f"{URL}{grader.pk}/").status_code == 404
    assert operator.post(f"{URL}{grader.pk}/remove/").status_code == 404


@pytest.mark.parametrize(("role", "status"), [(Role.VIEWER, 403), (Role.REVIEWER, 403), (None, 404)])
def test_only_operators_write_them(person, browser_of, grader, role, status):
    browser = browser_of(person("vera", role))
    assert browser.get(URL).status_code == (200 if role else 404)
    for answer in (
        browser.get(URL + "new/"),
        browser.post(f"{URL}{grader.pk}/remove/"),
        browser.post(URL + "new/", {}),
    ):
        assert answer.status_code == status
    assert browser_of(None).get(URL).url.startswith("/login/")
