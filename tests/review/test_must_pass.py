"""A reviewer marks a row that no model may get wrong again; an evaluation of its version asks it."""

from django.urls import reverse

from curation.datasets import freeze
from curation.models import Exchange, Membership, MustPass
from jobs.evaluations import must_pass_of
from tests.asking import ask, ask_many


def at(name: str, row: Exchange) -> str:
    return reverse(name, args=[row.project.slug, row.pk])


def test_marked_with_a_note_marked_anew_and_unmarked(project, ana, browser_of):
    row, client = ask(project, "When do you open?"), browser_of(ana)
    assert "No model that gets this row wrong" in client.get(at("review_exchange", row)).content.decode()
    answer = client.post(at("review_must_pass", row), {"is_marked": "on", "note": " Said <nine> once. "})
    assert (answer.status_code, answer["Location"]) == (303, at("review_exchange", row))
    mark = MustPass.objects.get()
    assert (mark.exchange_id, mark.project, mark.marked_by, mark.note) == (row.pk, project, ana, "Said <nine> once.")
    page = client.get(at("review_exchange", row)).content.decode()
    assert "Said &lt;nine&gt; once." in page
    client.post(at("review_must_pass", row), {"is_marked": "on", "note": "Twice."})
    assert MustPass.objects.get().note == "Twice."
    part = client.post(at("review_must_pass", row), {}, headers={"X-Part": "must-pass"}).content.decode()
    assert part.lstrip().startswith('<section id="must-pass">')
    assert not MustPass.objects.exists()
    assert Exchange.objects.get(pk=row.pk).version == row.version  # a mark is no verdict


def test_a_marked_row_is_a_case_of_the_next_version(project, ana, browser_of, give):
    rows = ask_many(project, 12)
    for row in rows:
        give(row, ana, "included")
    browser_of(ana).post(at("review_must_pass", rows[3]), {"is_marked": "on"})
    version = freeze(project).version
    assert [example.exchange_id for example in must_pass_of(version)] == [rows[3].pk]


def test_a_viewer_sees_the_mark_and_cannot_set_it(project, person, browser_of):
    row = ask(project, "When do you open?")
    MustPass.objects.create(exchange=row, project=project, note="Said nine once.")
    viewer = browser_of(person("vic", Membership.Role.VIEWER))
    page = viewer.get(at("review_exchange", row)).content.decode()
    assert "Said nine once." in page
    assert "review_must_pass" not in page
    assert viewer.post(at("review_must_pass", row), {}).status_code == 403
    assert MustPass.objects.exists()


def test_nobody_is_named_on_a_row_that_several_decide_blindly(project, ana, ben, browser_of):
    project.second_share = 100
    project.save()
    row = ask(project, "When do you open?")
    browser_of(ana).post(at("review_must_pass", row), {"is_marked": "on"})
    page = browser_of(ben).get(at("review_exchange", row)).content.decode()
    assert "must pass</span>" in page
    assert "marked by" not in page
