"""Rows that several people decide: blind until all have, then settled or resolved."""

import re

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from curation.agreement import cohens_kappa, krippendorffs_alpha
from curation.claims import next_slot
from curation.concord import concord
from curation.models import Exchange, Membership, Review, ReviewSlot
from curation.opinions import in_hidden_order, pass_on
from curation.review import NothingToUndo, Refused, Stale, redo, undo
from tests.asking import ask, ask_many
from tests.review.test_pages import Browser

Role = Membership.Role


@pytest.fixture
def several(project):
    project.second_share = 100
    project.save()
    return project


@pytest.fixture
def at(browser_of, project):
    return lambda user, where=project: Browser(browser_of(user), where)


def state(row):
    return Exchange.objects.get(pk=row.pk).state


class TestSettling:
    def test_two_who_agree_settle_the_row(self, several, ana, ben, give):
        row = ask(several, "When do you open?", "At nine.")
        give(row, ana, "included", target="At ten.", reasons=["format"])
        assert (state(row), Exchange.objects.get(pk=row.pk).target) == ("pending", None)
        assert next_slot(several, ana) is None
        give(row, ben, "included", target="  At ten.\r\n")
        row.refresh_from_db()
        assert (row.state, row.target, row.decided_by) == ("included", "At ten.", ben)
        assert Review.objects.filter(is_opinion=False).get().reasons == ["format"]

    def test_json_agrees_by_value(self, json_project, ana, ben, give):
        json_project.second_share = 100
        json_project.save()
        row = ask(json_project, "Batumi?", '{"a":1,"b":2}')
        give(row, ana, "included", target='{"b": 3, "a": 1}')
        give(row, ben, "included", target='{"a":1,"b":3}')
        assert state(row) == "included"

    @pytest.mark.parametrize("second", [("excluded", None), ("included", "At eleven.")])
    def test_two_who_disagree_leave_it_awaiting_resolution(self, several, ana, ben, give, second):
        row = ask(several, "When do you open?", "At nine.")
        give(row, ana, "included")
        give(row, ben, second[0], target=second[1])
        assert state(row) == "awaiting"
        assert not several.exchanges.included().exists()

    def test_as_many_people_as_the_project_wants(self, several, ana, ben, give, person):
        several.opinion_count = 3
        several.save()
        row = ask(several, "When do you open?")
        for user in (ana, ben):
            give(row, user, "excluded")
            assert state(row) == "pending"
        give(row, person("eva", Role.REVIEWER), "excluded")
        assert state(row) == "excluded"

    def test_the_share_is_a_share(self, project, ana, give):
        project.second_share = 30
        project.save()
        for row, draw in zip(rows := ask_many(project, 20), range(20), strict=True):
            ReviewSlot.objects.filter(exchange=row).update(draw=draw / 20)
            give(row, ana, "excluded")
        assert ReviewSlot.objects.filter(position=2).count() == 6
        assert [state(row) for row in rows].count("pending") == 6

    def test_one_person_never_gives_both_opinions(self, several, ana, ben, give, ticket):
        row = ask(several, "When do you open?")
        give(row, ana, "included")
        with pytest.raises(Refused, match="decided this row already"):
            give(row, ana, "excluded")
        assert Review.objects.count() == 1


class TestBlindness:
    def test_no_page_of_another_shows_verdict_text_or_name_until_both_decided(
        self, several, ana, ben, give, at, person
    ):
        row = ask(several, "When do you open?", "At nine.")
        give(row, ana, "excluded", target="SECRET TEXT", reasons=["unsafe"])
        for user in (ben, person("vic", Role.VIEWER), person("olga", Role.OWNER)):
            browser = at(user)
            for name, *args in (
                ("review",),
                ("review_exchange", row.pk),
                ("review_rows",),
                ("review_activity",),
                ("review_agreement",),
                ("datasets",),
                ("project_home",),
            ):
                page = browser.open(name, *args)
                if browser.status == 403:
                    continue
                assert browser.status == 200
                assert not re.search(r"\bana\b", page)
                assert "SECRET" not in page
                assert "Excluded by" not in page
            ReviewSlot.objects.filter(reviewer=user, done_at=None).update(reviewer=None, claimed_until=None)
        give(row, ben, "excluded")
        assert re.search(r"\bana\b", at(ben).open("review_exchange", row.pk))

    def test_a_holder_is_somebody(self, several, ana, ben, give, at, person):
        row = ask(several, "When do you open?")
        give(row, ana, "excluded")
        next_slot(several, ben)
        page = at(person("eva", Role.REVIEWER)).open("review_exchange", row.pk)
        assert "<b>Somebody</b> has this row" in page
        assert not re.search(r"\b(ana|ben)\b", page)


class TestUndo:
    def test_an_opinion_is_taken_back_and_given_anew(self, several, ana, ben, give):
        row = ask(several, "When do you open?")
        give(row, ana, "included")
        undo(several, ana)
        with pytest.raises(NothingToUndo):
            redo(several, ana)
        assert next_slot(several, ana).exchange_id == row.pk
        give(row, ana, "excluded")
        give(row, ben, "excluded")
        assert state(row) == "excluded"

    def test_undo_of_the_one_that_settled_opens_the_row_again(self, several, ana, ben, give):
        row = ask(several, "When do you open?")
        give(row, ana, "included")
        give(row, ben, "included")
        with pytest.raises(Stale):
            undo(several, ana)
        undo(several, ben)
        assert state(row) == "pending"
        assert next_slot(several, ben).exchange_id == row.pk
        give(row, ben, "excluded")
        assert state(row) == "awaiting"
        undo(several, ana)
        assert state(row) == "pending"


class TestPassingOn:
    def test_who_passes_on_says_nothing_and_the_other_settles(self, project, ana, ben, give, at):
        row = ask(project, "When do you open?")
        browser = at(ana)
        browser.open()
        fields = browser._fields("second")
        address = reverse("review_second", args=[project.slug, row.pk])
        browser._take(browser.client.post(address, fields | {"name": "ben", "note": "Law."}, follow=True))
        assert browser.path == reverse("review", args=[project.slug])
        give(row, ben, "included")
        assert state(row) == "included"

    def test_a_row_meant_for_one_person_is_handed_to_nobody_else(self, project, ana, ben, person, ticket):
        row = ask(project, "When do you open?")
        pass_on(project, ana, row.pk, ticket(row, ana).slot_id, meant_for=ben)
        assert next_slot(project, person("eva", Role.REVIEWER)) is None
        assert next_slot(project, ben).exchange_id == row.pk

    def test_a_name_nobody_has_is_said(self, project, ana, at):
        row = ask(project, "When do you open?")
        browser = at(ana)
        browser.open()
        form = browser._fields("second") | {"name": "nobody"}
        page = browser._take(
            browser.client.post(reverse("review_second", args=[project.slug, row.pk]), form, follow=True)
        )
        assert "No reviewer of this project has that name" in page
        assert ReviewSlot.objects.count() == 1


class TestResolution:
    @pytest.fixture
    def disputed(self, several, ana, ben, give):
        row = ask(several, "When do you open?", "At nine.")
        give(row, ana, "included", target="At ten.")
        give(row, ben, "included", target="At <eleven>.")
        return Exchange.objects.get(pk=row.pk)

    def test_a_resolver_sees_both_without_names_in_an_order_that_says_nothing(
        self, several, disputed, at, person, give
    ):
        olga = person("olga", Role.OWNER)
        browser = at(olga)
        page = browser.open("review_resolve")
        assert "Reviewers disagree" in page
        assert "ten" in page
        assert "&lt;eleven&gt;" in page
        assert not re.search(r"\b(ana|ben)\b", page)
        [first, _] = in_hidden_order(disputed)
        give(disputed, olga, "included", target=first.target_after)
        disputed.refresh_from_db()
        assert (disputed.state, disputed.target, disputed.decided_by) == ("included", first.target_after, olga)
        assert re.search(r"\bana\b", browser.open("review_exchange", disputed.pk))
        undo(several, olga)
        assert state(disputed) == "awaiting"

    def test_who_may_not_resolve_is_refused(self, several, disputed, ana, at, person, give):
        eva = person("eva", Role.REVIEWER)
        for user in (eva, ana):
            with pytest.raises(Refused, match="disagree"):
                give(disputed, user, "excluded")
        several.memberships.update(is_resolver=True)
        with pytest.raises(Refused, match="disagree"):
            give(disputed, ana, "excluded")
        assert 'data-verb="include"' not in at(ana).open("review_exchange", disputed.pk)
        several.reviewers_may_resolve = True
        several.save()
        give(Exchange.objects.get(pk=disputed.pk), ana, "excluded")
        assert state(disputed) == "excluded"

    def test_the_queues_end_names_what_awaits(self, disputed, at, ana):
        assert "on which reviewers disagree" in at(ana).open()


verdicts = st.sampled_from(["included", "excluded"])


class TestAgreement:
    @given(st.lists(st.tuples(verdicts, verdicts), min_size=1, max_size=40))
    def test_kappa_is_that_of_scikit_learn(self, pairs):
        mine = cohens_kappa(pairs)
        if mine is None:
            assert len({verdict for pair in pairs for verdict in pair}) == 1
        else:
            assert mine == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))

    def test_alpha_of_a_worked_example(self):
        # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: 12 items, 4 raters, nominal.
        ratings = ["111", "2222"[:3] + "3", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "555", "11", "3"]
        assert krippendorffs_alpha(ratings) == pytest.approx(0.743, abs=0.0005)
        assert krippendorffs_alpha(["aa", "b"]) is None

    def test_the_page_tells_it_for_the_project_and_each_pair(self, several, ana, ben, give, at):
        rows = ask_many(several, 4)
        for row, (one, other) in zip(rows, ["ii", "ii", "ee", "ie"], strict=True):
            for user, verb in ((ana, one), (ben, other)):
                give(row, user, {"i": "included", "e": "excluded"}[verb])
        found = concord(several)
        assert (found.count, found.raw) == (4, 0.75)
        assert found.pairs[0].kappa == pytest.approx(0.5)
        page = at(ana).open("review_agreement")
        assert "ana and ben" in page
        assert "0.50" in page
