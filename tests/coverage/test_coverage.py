"""What the included rows stand for, by region."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from curation.coverage import Region, catch_up, figures, share
from curation.models import Coverage, RowRegion
from curation.recording import record
from curation.regions import Regions, find_regions
from tests.asking import ask, call_of

SHIPS = [f"When does the ferry to port number{n} leave the harbour?" for n in range(40)]
BILLS = [f"Please send the invoice for order number{n} by mail again." for n in range(40)]


@pytest.fixture
def asked(project):
    record([call_of(project, prompt, "Yes.") for prompt in SHIPS + BILLS])
    return project


def again(project) -> Coverage:
    Coverage.objects.filter(pk=project.pk).update(counted_at=None)
    catch_up(project)
    return Coverage.objects.get(pk=project.pk)


def test_prompts_that_share_words_are_a_region_named_by_them():
    regions = find_regions(SHIPS + BILLS)
    ships, bills = set(regions.place(SHIPS)), set(regions.place(BILLS))
    assert not ships & bills
    assert set(regions.name(min(ships)).split(", ")) <= set(" ".join(SHIPS).lower().replace("?", "").split())
    assert regions.place(["Xylophone"]) == [regions.other]
    assert Regions.of_json(regions.as_json()).place(SHIPS) == regions.place(SHIPS)


@pytest.mark.parametrize("texts", [[], ["one"], ["?"] * 100, [""] * 100])
def test_where_nothing_can_be_told_apart_there_are_no_regions(texts):
    assert find_regions(texts) is None


def test_calls_count_by_what_is_included(asked, ana, give):
    row = ask(asked, SHIPS[0])
    for _ in range(18):
        ask(asked, SHIPS[0])
    give(row, ana, "included")
    found = figures(again(asked))
    assert sum(region.rows for region in found) == 80
    assert sum(region.calls for region in found) == 99
    assert share(found) == pytest.approx(20 / 99)
    mine = next(region for region in found if region.region == RowRegion.objects.get(exchange=row).region)
    assert (mine.included, mine.covered) == (1, 20)
    assert {region.state for region in found if region is not mine} == {"empty"}


def test_older_calls_do_not_count(project):
    record([call_of(project, "When?", "Now.", started_at=datetime.now(UTC) - timedelta(days=40))])
    found = figures(again(project))
    assert [(region.name, region.rows, region.calls) for region in found] == [("all", 1, 0)]
    assert share(found) is None


def test_new_rows_are_placed_and_known_ones_stay(asked):
    again(asked)
    before = dict(RowRegion.objects.values_list("exchange", "region"))
    new = ask(asked, "When does the ferry to the island leave the harbour?")
    again(asked)
    after = dict(RowRegion.objects.values_list("exchange", "region"))
    assert after.keys() - before.keys() == {new.pk}
    assert before.items() <= after.items()


def test_regions_are_found_again_once_there_is_much_more(asked):
    first = again(asked).sampled_count
    record([call_of(asked, f"Is seat{n} on the train to town{n} free?", "Yes.") for n in range(4 * 80)])
    assert again(asked).sampled_count > first
    assert RowRegion.objects.count() == 80 + 4 * 80


@pytest.mark.parametrize(
    ("rows", "included", "state"), [(10, 0, "empty"), (10, 2, "thin"), (10, 3, "covered"), (2, 2, "covered")]
)
def test_states(rows, included, state):
    assert Region(1, "a", rows, included, 0, 0).state == state
    assert Region(1, "a", 1000, 19, 0, 0).state == "thin"


def test_the_page_shows_the_share_and_leads_to_the_rows(asked, ana, give, browser_of):
    client = browser_of(ana)
    path = reverse("coverage", args=[asked.slug])
    assert "Nothing has been counted yet" in client.get(path).content.decode()
    row = ask(asked, "Please send <b>the invoice</b> for my order by mail again.")
    give(row, ana, "included")
    again(asked)
    page = client.get(path).content.decode()
    assert "stand for 1 % of the last 30 days" in page
    region = RowRegion.objects.get(exchange=row).region
    assert f"?region={region}" in page
    rows = client.get(reverse("review_rows", args=[asked.slug]) + f"?region={region}").content.decode()
    assert "&lt;b&gt;the invoice" in rows
    assert "ferry" not in rows
