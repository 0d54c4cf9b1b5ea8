"""What a person did: undone out of turn, redone, and gone back to."""

import re
import uuid

import pytest
from django.urls import reverse

from curation.models import Draft, Exchange, Review
from curation.review import NothingToUndo, Stale, redo, undo
from tests.asking import ask, ask_many
from tests.review.test_pages import Browser


@pytest.fixture
def at(browser_of, project):
    return lambda user, where=project: Browser(browser_of(user), where)


def states(project):
    return list(project.exchanges.order_by("pk").values_list("state", "target", "decided_by"))


class TestRedo:
    def test_it_gives_the_same_verdicts_again_in_their_order(self, project, ana, give):
        rows = ask_many(project, 4)
        for row, verb in zip(rows, ("included", "excluded", "later", "included"), strict=True):
            give(row, ana, verb, target=f"Answer {row.pk}", reasons=["format"])
        decided = states(project)
        for _ in rows:
            undo(project, ana)
        assert [redo(project, ana).exchange_id for _ in rows] == [row.pk for row in rows]
        assert states(project) == decided
        assert Review.objects.first().reasons == ["format"]
        with pytest.raises(NothingToUndo):
            redo(project, ana)
        undo(project, ana)
        assert Exchange.objects.get(pk=rows[-1].pk).state == "pending"
        redo(project, ana)
        assert states(project) == decided

    def test_a_new_verdict_leaves_nothing_to_redo(self, project, ana, ben, give):
        first, second = ask_many(project, 2)
        give(first, ana, "included")
        undo(project, ana)
        give(second, ana, "included")
        for user in (ana, ben):
            with pytest.raises(NothingToUndo):
                redo(project, user)

    def test_it_is_refused_when_somebody_decided_since_and_sent_twice_it_counts_once(self, project, ana, ben, give):
        first, second = ask_many(project, 2)
        give(second, ana, "included")
        give(first, ana, "included")
        undo(project, ana)
        undo(project, ana)
        action = uuid.uuid4()
        assert redo(project, ana, action_id=action) == redo(project, ana, action_id=action)
        Exchange.objects.filter(pk=first.pk).update(version=9)
        with pytest.raises(Stale):
            redo(project, ana)
        assert Exchange.objects.get(pk=first.pk).state == "pending"

    def test_its_button_stands_on_the_page_after_an_undo(self, at, project, ana):
        ask_many(project, 2)
        browser = at(ana)
        browser.open()
        browser.press("include")
        assert "review/redo/" not in browser.page
        browser.press("undo")
        fields = browser._fields("redo")
        browser._take(browser.client.post(reverse("review_redo", args=[project.slug]), fields, follow=True))
        assert "Question 1" in browser.page
        assert "review/redo/" not in browser.page
        assert project.exchanges.included().count() == 1


class TestMyActivity:
    def test_an_older_verdict_is_undone_out_of_turn(self, at, project, ana, ben, give):
        first, second = ask_many(project, 2)
        give(first, ana, "excluded", reasons=["unsafe"])
        give(second, ana, "included")
        browser = at(ana)
        page = browser.open("review_activity")
        assert "unsafe" in page
        assert page.count('name="review"') == 2
        [_, older] = re.findall(r'name="review" value="(\d+)"', page)
        form = {"review": older, "action": uuid.uuid4(), "via": "button"}
        browser._take(browser.client.post(reverse("review_undo", args=[project.slug]), form, follow=True))
        assert browser.path == reverse("review_exchange", args=[project.slug, first.pk])
        assert [row[0] for row in states(project)] == ["pending", "included"]
        assert "undone" in browser.open("review_activity")
        assert "You have decided nothing yet" in at(ben).open("review_activity")

    def test_another_persons_verdict_is_not_undone_by_naming_it(self, at, project, ana, ben, give):
        review = give(ask(project, "When do you open?"), ben, "included")
        with pytest.raises(NothingToUndo):
            undo(project, ana, review_id=review.pk)

    def test_one_that_was_decided_anew_since_is_shown_and_not_overwritten(self, project, ana, give):
        row = ask(project, "When do you open?")
        older = give(row, ana, "excluded")
        give(row, ana, "included")
        with pytest.raises(Stale):
            undo(project, ana, review_id=older.pk)

    def test_it_goes_on_page_by_page_and_begins_with_what_was_typed_and_not_decided(self, at, project, ana, give):
        rows = ask_many(project, 52)
        for row in rows[:51]:
            give(row, ana, "excluded")
        Draft.objects.create(exchange=rows[51], reviewer=ana, text="Perhaps.", exchange_version=1)
        browser = at(ana)
        page = browser.open("review_activity")
        assert page.index("Question 52") < page.index("Question 51")
        assert "Question 1<" not in page
        page = browser.open("review_activity", query=re.search(r'href="(\?before=\d+)"', page).group(1))
        assert "Question 1<" in page
        assert "Question 52" not in page


class TestGoingBack:
    def test_back_leads_the_way_one_came_and_forward_goes_on(self, at, project, ana):
        ask_many(project, 4)
        browser = at(ana)
        shown = [re.search(r"Question \d", browser.open()).group()]
        for to in ("next", "next", "previous", "previous", "previous", "next"):
            fields = browser._fields("leave")
            address = browser._address("leave")
            browser._take(browser.client.post(address, fields | {"to": to}, follow=True))
            shown.append(re.search(r"Question \d", browser.page).group())
        assert [int(name[-1]) for name in shown] == [4, 3, 2, 3, 4, 4, 3]
        assert Review.objects.count() == 0

    @pytest.mark.parametrize("cookie", ["", "x-y", "9" * 40, "--"])
    def test_a_cookie_of_nonsense_leads_nowhere(self, at, project, ana, cookie):
        row = ask(project, "When do you open?")
        browser = at(ana)
        browser.client.cookies["review-trail"] = cookie
        browser.open("review_exchange", row.pk)
        assert browser.status == 200


class TestKeys:
    def test_a_person_binds_keys_anew_and_the_pages_show_them(self, at, project, ana, ben):
        ask(project, "When do you open?")
        browser = at(ana)
        page = browser.open("review_keys")
        fields = dict(re.findall(r'name="(\w+)" value="(\S)"', page)) | {"has_single_keys": "on"}
        address = reverse("review_keys", args=[project.slug])
        assert browser.client.post(address, fields | {"include": "q", "exclude": ""}).status_code == 302
        page = browser.open()
        assert 'data-key="q" aria-keyshortcuts="Q Control+Enter"' in page
        assert "<kbd>Q</kbd>" in page
        assert 'data-key="x"' not in page
        ana.refresh_from_db()
        assert ana.review_keys == {"include": "q", "exclude": ""}

    def test_two_verbs_never_share_a_key_and_all_single_keys_can_be_switched_off(self, at, project, ana):
        ask(project, "When do you open?")
        browser = at(ana)
        fields = dict(re.findall(r'name="(\w+)" value="(\S)"', browser.open("review_keys")))
        address = reverse("review_keys", args=[project.slug])
        for taken in ({"include": "x"}, {"include": "1"}, {"include": "qq"}):
            assert browser.client.post(address, fields | taken).status_code == 422
        assert browser.client.post(address, fields).status_code == 302
        page = browser.open()
        assert "data-key" not in page
        assert "<kbd>I</kbd>" not in page

    def test_changes_are_shown_in_the_way_that_was_chosen_last(self, at, project, ana, give):
        row = ask(project, "When do you open?", "At nine.")
        give(row, ana, "included", target="At ten.")
        browser = at(ana)
        shown = []
        for _ in range(4):
            page = browser.open("review_exchange", row.pk)
            shown.append((page.count("<del>"), page.count("To teach")))
            form = {"row": str(row.pk)}
            browser.client.post(reverse("review_diff", args=[project.slug]), form)
        assert shown == [(1, 0), (1, 1), (0, 0), (1, 0)]
