"""The list of rows: pages, filters in the address, kept searches."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from curation.models import Membership, SavedView
from tests.asking import ask, ask_many

Role = Membership.Role


@pytest.fixture
def open_rows(project, browser_of, ana):
    client = browser_of(ana)
    return lambda query="": client.get(reverse("review_rows", args=[project.slug]) + query).content.decode()


def questions(page: str) -> list[int]:
    return [int(number) for number in re.findall(r">Question (\d+)<", page)]


def test_pages_follow_on_by_key(project, open_rows):
    ask_many(project, 60)
    page = open_rows()
    assert questions(page) == list(range(60, 35, -1))
    older = re.search(r'href="(\?[^"]*before=\d+)"', page).group(1)
    assert questions(open_rows(older)) == list(range(35, 10, -1))


def test_the_address_filters_and_nonsense_in_it_does_not_matter(project, open_rows, ana, give):
    rows = ask_many(project, 30)
    give(rows[0], ana, "excluded")
    assert questions(open_rows("?state=excluded")) == [1]
    assert len(questions(open_rows("?state=nonsense&before=x&seen=-1&since=yesterday&q=%00"))) == 25
    page = open_rows("?q=question&state=pending")
    assert "29 rows" in page
    assert "q=question&amp;state=pending&amp;before=" in page


def test_a_search_that_finds_nothing_says_so_or_shows_what_is_spelt_alike(project, open_rows):
    ask(project, "I want a refund of twelve crates.")
    assert "No row of this project fits all of that." in open_rows("?q=xylophone")
    page = open_rows("?q=refund+of+twelfe")
    assert "something spelt nearly so" in page
    assert "I want a refund" in page


def test_a_list_reads_no_bodies_and_costs_the_same_for_any_length(project, browser_of, ana):
    client, path = browser_of(ana), reverse("review_rows", args=[project.slug])
    costs = []
    for count in (1, 60):
        ask_many(project, count)
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        costs.append(len(captured))
    assert costs[0] == costs[1] <= 8
    for query in captured:
        assert '"messages"' not in query["sql"]
        for column in ("user_prompt", "response", "target"):
            whole = query["sql"].replace(
                'COALESCE("curation_exchange"."target", "curation_exchange"."response"), 160)', ""
            )
            assert f'"{column}"' not in whole.replace(f'"curation_exchange"."{column}", 160)', "")


def test_hostile_text_is_inert_everywhere(project, open_rows):
    ask(project, "<script>alert(1)</script>", "<img src=x onerror=alert(2)>")
    for page in (open_rows(), open_rows("?q=%3Cscript%3Ealert(1)%3C/script%3E"), open_rows("?q=%22%3E%3Cimg+src=x%3E")):
        assert "<script>alert" not in page
        assert "<img src=x" not in page


class TestViews:
    def keep(self, client, project, **form):
        return client.post(reverse("rows_view_keep", args=[project.slug]), form, follow=True).content.decode()

    def test_a_search_is_kept_for_oneself_or_for_all(self, project, browser_of, ana, ben):
        mine, theirs = browser_of(ana), browser_of(ben)
        page = self.keep(mine, project, name="Odd ones", query="differs=on&before=7&evil=1")
        assert 'href="/projects/support/rows/?differs=on">Odd ones<' in page
        assert "Odd ones" not in theirs.get(reverse("review_rows", args=[project.slug])).content.decode()
        self.keep(mine, project, name="For all", query="seen=5", is_shared="on")
        assert "For all</a> by ana" in theirs.get(reverse("review_rows", args=[project.slug])).content.decode()

    def test_a_name_is_taken_once(self, project, browser_of, ana):
        client = browser_of(ana)
        self.keep(client, project, name="Odd", query="differs=on")
        assert "a view of this name already" in self.keep(client, project, name="Odd", query="seen=5")
        assert SavedView.objects.count() == 1

    def test_who_made_a_view_removes_it_and_nobody_else_but_an_owner(self, project, browser_of, ana, ben, person):
        view = SavedView.objects.create(project=project, user=ana, name="Odd", is_shared=True)
        path = reverse("rows_view_drop", args=[project.slug, view.pk])
        assert browser_of(ben).post(path).status_code == 404
        assert browser_of(person("olga", Role.OWNER)).post(path).status_code == 302
        assert not SavedView.objects.exists()
