"""My progress and the team's: nobody is named to who is no owner, and no count gives a blind opinion away."""

from django.urls import reverse

from curation.models import Exchange, Membership
from curation.queue import team
from curation.review import undo
from tests.asking import ask_many


def counts(project) -> list[tuple[str, int]]:
    return [(name, count) for name, count, _ in team(project, 10, names=True).people]


def test_what_everybody_decided_today_without_what_was_undone(project, ana, ben, give):
    rows = ask_many(project, 6)
    for row in rows[:3]:
        give(row, ana, "included")
    give(rows[3], ben, "excluded")
    undo(project, ana)
    found = team(project, 3, names=False)
    assert (found.count, found.reviewers, found.people) == (3, 2, [])
    assert counts(project) == [("ana", 2), ("ben", 1)]


def test_an_opinion_counts_once_its_row_is_settled(project, ana, ben, give):
    project.second_share = 100
    project.save()
    [row] = ask_many(project, 1)
    give(row, ana, "included")
    assert counts(project) == []
    give(Exchange.objects.get(pk=row.pk), ben, "included")
    assert dict(counts(project))["ana"] >= 1


def test_a_reviewer_sees_figures_and_an_owner_sees_names(project, ana, ben, give, person, browser_of):
    for row in ask_many(project, 3)[:2]:
        give(row, ben, "included")
    address = reverse("review_activity", args=[project.slug])
    page = browser_of(ana).get(address).content.decode()
    assert "Everybody&#x27;s today" in page or "Everybody's today" in page
    assert "ben" not in page.split("<main")[1]
    page = browser_of(person("oda", Membership.Role.OWNER)).get(address).content.decode()
    assert "<td>ben</td><td>2</td>" in page


def test_the_page_costs_the_same_few_queries_for_many_reviewers(
    project, ana, give, person, browser_of, django_assert_max_num_queries
):
    for number, row in enumerate(ask_many(project, 8)):
        give(row, person(f"r{number}", Membership.Role.REVIEWER), "included")
    client = browser_of(person("oda", Membership.Role.OWNER))
    with django_assert_max_num_queries(12):
        assert client.get(reverse("review_activity", args=[project.slug])).status_code == 200
