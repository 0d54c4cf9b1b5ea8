"""Why a row was decided as it was, and words to find it again by."""

import pytest
from django.urls import reverse

from curation.models import Exchange, Review, Tag
from curation.review import Refused, undo
from tests.asking import ask, ask_many
from tests.review.test_pages import Browser


@pytest.fixture
def at(browser_of, project):
    return lambda user, where=project: Browser(browser_of(user), where)


def test_reasons_are_saved_with_the_verdict_and_only_the_projects_own(at, project, ana):
    row = ask(project, "When do you open?")
    browser = at(ana)
    browser.open()
    browser.press("exclude", reason=["unsafe", "format", "because"])
    assert Review.objects.get().reasons == ["format", "unsafe"]
    page = browser.open("review_exchange", row.pk)
    assert page.count(" checked") == 2
    assert "(format, unsafe)" in page


def test_undo_takes_the_reasons_back_with_the_verdict(at, project, ana, give):
    row = ask(project, "When do you open?")
    give(row, ana, "excluded", reasons=["format"])
    give(row, ana, "included", reasons=["edge case"])
    undo(project, ana)
    page = at(ana).open("review_exchange", row.pk)
    assert 'value="format" checked' in page
    assert 'value="edge case" checked' not in page


def test_a_project_that_wants_a_reason_excludes_with_one_only(at, project, ana, give):
    project.wants_reason = True
    project.save()
    row = ask(project, "When do you open?")
    with pytest.raises(Refused, match="wants a reason"):
        give(row, ana, "excluded")
    browser = at(ana)
    browser.open()
    browser.press("exclude", target="It depends.")
    assert (browser.status, "data-refused" in browser.page) == (422, True)
    browser.press("exclude", reason=["format"])
    assert Exchange.objects.get(pk=row.pk).state == "excluded"
    give(row, ana, "included")


def test_a_tag_is_put_on_and_taken_off_and_the_row_stays_where_it_is(project, ana, browser_of):
    first, second = ask_many(project, 2)
    client = browser_of(ana)

    def send(row, **fields):
        return client.post(reverse("review_tags", args=[project.slug, row.pk]), fields)

    assert send(first, name="  Opening   HOURS ").status_code == 303
    send(first, name="opening hours")
    send(second, name="<b>")
    assert [(tag.name, tag.exchanges.count()) for tag in Tag.objects.all()] == [("<b>", 1), ("opening hours", 1)]
    page = client.get(reverse("review_exchange", args=[project.slug, first.pk])).content.decode()
    assert "opening hours ×" in page
    assert '<option value="&lt;b&gt;">' in page
    send(first, remove="opening hours")
    send(first, name="   ")
    assert [tag.name for tag in Tag.objects.all()] == ["<b>"]
    first.refresh_from_db()
    assert (first.version, first.state) == (1, "pending")
