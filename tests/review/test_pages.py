"""The review screen without JavaScript: each verb is a form that answers with the next row."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from curation.claims import hold
from curation.datasets import freeze
from curation.models import Exchange, Project, Review, ReviewSlot
from curation.recording import record
from tests.asking import ask, ask_many, call_of

LONG_AGO = "2020-01-01T00:00Z"


class Browser:
    """A person without JavaScript: opens pages and presses the buttons that stand on them."""

    def __init__(self, client: Client, project: Project) -> None:
        self.client, self.project = client, project
        self.page, self.status, self.path = "", 0, ""

    def open(self, name: str = "review", *args: Any, query: str = "") -> str:
        return self._take(self.client.get(reverse(name, args=[self.project.slug, *args]) + query, follow=True))

    def press(self, verb: str, **typed: Any) -> str:
        """Send the row's form by the button of that verb, or the page's undo form."""
        if verb == "undo":
            form, path = self._fields("undo"), reverse("review_undo", args=[self.project.slug])
        else:
            form, path = self._fields("include"), self._address(verb)
        return self._take(self.client.post(path, form | typed, follow=True))

    def _take(self, answer: Any) -> str:
        self.page, self.status = answer.content.decode(), answer.status_code
        self.path = answer.request["PATH_INFO"]
        return self.page

    def _address(self, verb: str) -> str:
        return re.search(rf'(?:formaction|action)="([^"]+/{verb}/)"', self.page).group(1)

    def _fields(self, form: str) -> dict[str, str]:
        inside = re.search(rf'<form[^>]+/{form}/"[^>]*>(.*?)</form>', self.page, re.S).group(1)
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', inside))


@pytest.fixture
def at(browser_of: Callable[..., Client], project: Project) -> Callable[..., Browser]:
    return lambda user, where=project: Browser(browser_of(user), where)


def test_the_queue_opens_on_the_newest_row(at, project, ana):
    _, newest = ask_many(project, 2, "It depends on the day.")
    page = at(ana).open()
    assert "Question 2" in page
    assert "It depends on the day." in page
    assert "Row 1 of 2" in page
    assert ReviewSlot.objects.get(exchange=newest).reviewer == ana


def test_a_verdict_leads_to_the_next_row_and_can_be_taken_back(at, project, ana):
    ask_many(project, 2)
    browser = at(ana)
    browser.open()
    browser.press("include")
    assert "Question 1" in browser.page
    assert re.search(r"Included\b.*“Question 2”", browser.page)
    assert "Row 2 of 2" in browser.page
    browser.press("undo")
    assert "Question 2" in browser.page
    assert re.search(r"Undone\b.*“Question 2”", browser.page)
    assert project.exchanges.pending().count() == 2


def test_exclude_later_and_leaving_work_by_button_too(at, project, ana):
    rows = ask_many(project, 3)
    browser = at(ana)
    browser.open()
    browser.press("exclude")
    browser.press("later", later="24")
    assert [Exchange.objects.get(pk=row.pk).state for row in rows[::-1]] == ["excluded", "later", "pending"]
    browser.press("leave")
    assert ReviewSlot.objects.get(exchange=rows[0]).reviewer == ana  # the only one left comes again
    assert Review.objects.count() == 2


def test_an_edit_is_saved_with_the_verdict_and_shown_as_a_comparison(at, project, ana):
    row = ask(project, "When do you open?", "We open at nine.")
    browser = at(ana)
    browser.open()
    browser.press("include", target="We open at ten.", opened_at="0")
    review = Review.objects.get()
    assert (review.target_after, review.via, review.seconds_open) == ("We open at ten.", "button", 86_400)
    page = browser.open("review_exchange", row.pk)
    assert re.search(r"<del><span[^>]*>\[removed\] </span>nine</del><ins><span[^>]*>\[added\] </span>ten</ins>", page)


def test_a_refused_inclusion_says_why_and_keeps_the_typed_text(at, json_project, ana):
    ask(json_project, "Batumi?", '{"city":null}')
    browser = at(ana, json_project)
    browser.open()
    browser.press("include", target='{"city": "Batumi" <oops>')
    assert browser.status == 422
    assert "teaches JSON" in browser.page
    assert "{&quot;city&quot;: &quot;Batumi&quot; &lt;oops&gt;" in browser.page
    assert Review.objects.count() == 0


def test_json_is_laid_out_for_reading_and_editing(at, json_project, ana):
    ask(json_project, "Batumi?", '{"city":null}')
    page = at(ana, json_project).open()
    assert page.count("{\n  &quot;city&quot;: null\n}") == 2
    assert "✓ valid JSON" in page


def test_a_stale_verdict_shows_both_and_keeps_the_typed_text(at, project, ana, ben, give):
    row = ask(project, "When do you open?", "At nine.")
    browser = at(ana)
    browser.open()
    ReviewSlot.objects.update(claimed_until=LONG_AGO)
    give(row, ben, "excluded", target="Never.")
    browser.press("include", target="At <ten>.")
    assert browser.status == 409
    assert "Nothing was written" in browser.page
    assert "Excluded by ben" in browser.page
    assert "Never" in browser.page
    assert "At &lt;ten&gt;." in browser.page
    browser.press("include", target="At <ten>.")
    row.refresh_from_db()
    assert (row.state, row.target) == ("included", "At <ten>.")


def test_a_row_another_person_holds_can_be_read_but_not_decided(at, project, ana, ben):
    row = ask(project, "When do you open?")
    hold(row, ben)
    page = at(ana).open("review_exchange", row.pk)
    assert "<b>ben</b> has this row" in page
    assert "review_include" not in page
    assert 'data-key="i"' not in page


def test_an_empty_queue_says_why_and_brings_back_what_was_put_off(at, project, ana, ben, give):
    browser = at(ana)
    assert "Nothing has been captured yet" in browser.open()
    first, second = ask_many(project, 2)
    give(first, ana, "later")
    hold(second, ben)
    page = browser.open()
    assert "held by ben" in page
    assert "1 row is put off" in page
    browser.client.post(reverse("review_bring_back", args=[project.slug]))
    assert "Question 1" in browser.open()
    give(first, ana, "excluded")
    give(second, ben, "excluded")
    assert "All rows are decided" in browser.open()


def test_a_viewer_reads_rows_and_holds_none(at, project, person):
    row = ask(project, "When do you open?")
    browser = at(person("vic", 10))
    assert "When do you open?" in browser.open()
    assert browser.path == reverse("review_rows", args=[project.slug])
    page = browser.open("review_exchange", row.pk)
    assert 'data-key="i"' not in page
    assert ReviewSlot.objects.get().reviewer is None


def test_logging_in_again_after_a_verdict_leads_back_to_the_row(project, ana, client):
    row = ask(project, "When do you open?")
    include = reverse("review_include", args=[project.slug, row.pk])
    login = client.post(include)["Location"]
    answer = client.post(login, {"username": "ana", "password": "long enough to pass", "next": include}, follow=True)
    assert answer.redirect_chain[-1][0] == reverse("review_exchange", args=[project.slug, row.pk])
    assert answer.status_code == 200


@pytest.mark.parametrize("field", ["version", "slot", "action"])
def test_an_incomplete_form_does_nothing(project, ana, browser_of, field):
    row = ask(project, "When do you open?")
    form = {"version": 1, "slot": row.slots.get().pk, "action": uuid.uuid4(), "via": "key"}
    form.pop(field)
    answer = browser_of(ana).post(reverse("review_include", args=[project.slug, row.pk]), form)
    assert answer.status_code == 400
    assert Review.objects.count() == 0


class TestHostileText:
    TEXT = '<script>alert(1)</script>"><img src=x onerror=alert(2)> \u202egnitirw\u202c \x1b[31m {{ 7*7 }}'

    def test_it_is_shown_and_never_becomes_a_part_of_the_page(self, at, project, ana):
        ask(project, self.TEXT, self.TEXT)
        page = at(ana).open()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert '<span class="token" title="right-to-left override">U+202E</span>' in page
        assert '<span class="token" title="control character">U+001B</span>' in page

    def test_a_name_on_the_list_and_in_the_status_line_is_inert_too(self, at, project, ana, give):
        row = ask(project, self.TEXT, "Yes.")
        give(row, ana, "included")
        browser = at(ana)
        for page in (browser.open(), browser.open("review_rows"), browser.open("review_exchange", row.pk)):
            assert "<script>alert" not in page
            assert "<img src=x" not in page

    def test_the_first_line_end_of_an_answer_survives_the_editor(self, at, project, ana):
        ask(project, "Begin with an empty line.", "\n\nDone.")
        page = at(ana).open()
        # A browser drops one line end after the opening tag; the answer's own two must follow it.
        assert re.search(r"<textarea[^>]*>\n\n\nDone\.</textarea>", page)


class TestHugeText:
    def test_the_page_stays_small_and_the_whole_text_is_a_download(self, at, project, ana):
        prompt, answer = "All work and no play. " * 150_000, "Indeed. " * 40_000
        row = ask(project, prompt, answer)
        browser = at(ana)
        page = browser.open()
        assert len(page.encode()) < 300_000
        assert "characters are left out here" in page
        assert "longer than a page can edit" in page
        whole = browser.client.get(reverse("review_raw", args=[project.slug, row.pk, "prompt"]))
        assert whole.content.decode() == prompt
        assert whole["Content-Type"] == "text/plain; charset=utf-8"
        assert whole["Content-Disposition"].startswith("attachment")
        assert whole["X-Content-Type-Options"] == "nosniff"
        browser.press("include")
        assert Exchange.objects.get(pk=row.pk).target is None

    def test_a_thousand_turns_and_a_flood_of_unseen_characters_stay_small(self, at, project, ana):
        turns = [{"role": ("user", "assistant")[n % 2], "content": "word " * 4000} for n in range(1001)]
        ask(project, "", "Yes. " + "\u202e" * 19_000, messages=turns)
        page = at(ana).open()
        assert len(page.encode()) < 300_000
        assert "turns are left out here" in page
        assert "U+202E×" in page

    def test_an_unknown_part_is_no_file(self, at, project, ana):
        row = ask(project, "When do you open?")
        browser = at(ana)
        browser.open("review_raw", row.pk, "messages")
        assert browser.status == 404


class TestCost:
    @pytest.fixture
    def many(self, project: Project) -> list[Exchange]:
        return ask_many(project, 120)

    def test_a_row_costs_the_same_few_queries_however_long_the_queue(self, at, project, ana, give, many):
        for row in many[:3]:
            give(row, ana, "included")
        browser = at(ana)
        browser.open()
        with CaptureQueriesContext(
            connection,
        ) as shown:
            browser.client.get(reverse("review_exchange", args=[project.slug, many[-1].pk]))
        assert len(shown) <= 16
        form, path = browser._fields("include"), browser._address("include")
        with CaptureQueriesContext(connection) as decided:
            assert browser.client.post(path, form).status_code == 303
        assert len(decided) <= 20


def test_different_answers_are_shown_with_how_often(at, project, ana):
    ask(project, "Is it open?", "Yes.")
    record([call_of(project, "is it OPEN?", "No.") for _ in range(3)])
    page = at(ana).open()
    assert "Answered 2 ways in 4 calls" in page
    assert "3 times" in page
    assert Exchange.objects.count() == 1


def test_a_frozen_row_can_still_be_decided_anew(at, project, ana, give):
    row = ask(project, "When do you open?")
    give(row, ana, "included")
    frozen = freeze(project).version
    browser = at(ana)
    page = browser.open("review_exchange", row.pk)
    assert reverse("dataset", args=[project.slug, frozen.number]) in page
    browser.press("exclude")
    assert Exchange.objects.get(pk=row.pk).state == "excluded"
    assert frozen.examples.count() == 1


def test_the_pages_script_gets_the_next_row_in_one_answer(at, project, ana):
    rows = ask_many(project, 2)
    browser = at(ana)
    browser.open()
    form, path = browser._fields("include"), browser._address("include")
    with CaptureQueriesContext(connection) as asked:
        answer = browser.client.post(path, form, headers={"X-Stage": "next"})
    assert len([query for query in asked if "SAVEPOINT" not in query["sql"]]) <= 15
    assert answer.status_code == 200
    assert answer["Content-Location"] == reverse("review_exchange", args=[project.slug, rows[0].pk])
    assert "Question 1" in answer.content.decode()
    assert '<header class="top">' not in answer.content.decode()  # what stands around the stage stays as it is
    assert "X-Stage" in answer["Vary"]
    assert ReviewSlot.objects.get(exchange=rows[0]).reviewer == ana
    assert browser.client.post(path, form, headers={"X-Stage": "next"}).status_code == 200  # the same press once more
    assert Review.objects.count() == 1
