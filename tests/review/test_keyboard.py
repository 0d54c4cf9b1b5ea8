"""The review screen by keyboard, in a real browser against a live server."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from curation.claims import take_over
from curation.models import Draft, Exchange, Review, ReviewSlot
from tests.asking import ask, ask_many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def asked(page: Page):
    """The prompt of the row that can be decided now: one that is shown ahead is not there yet."""
    return page.locator("#stage:not([aria-busy]) .asked pre")


def verbs() -> list[str]:
    return list(Review.objects.order_by("pk").values_list("verb", flat=True))


def test_three_rows_are_reviewed_by_keyboard_with_an_edit_and_an_undo(reviewing, project):
    first, second, third = ask_many(project, 3, "It depends.")
    page = reviewing()
    expect(asked(page)).to_have_text("Question 3")

    page.keyboard.press("i")
    expect(asked(page)).to_have_text("Question 2")
    expect(page.locator("#status")).to_contain_text("Included")
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("#heard")).to_have_text("Included. Row 2 of 3.")

    page.keyboard.press("e")
    expect(page.locator("#target")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Ask at ixus. Use six jars.")  # i, x, s, u, e and j are letters here, not verbs
    page.keyboard.press("Control+Enter")
    expect(asked(page)).to_have_text("Question 1")

    page.keyboard.press("x")
    expect(page.locator("h1")).to_have_text("All rows are decided")
    assert verbs() == ["included", "included", "excluded"]

    page.keyboard.press("u")
    expect(asked(page)).to_have_text("Question 1")
    page.keyboard.press("u")
    expect(asked(page)).to_have_text("Question 2")
    assert verbs() == ["included", "included", "excluded", "undone", "undone"]
    assert set(Review.objects.values_list("via", flat=True)) == {"key"}
    rows = {row.pk: row for row in Exchange.objects.all()}
    assert [rows[row.pk].state for row in (first, second, third)] == ["pending", "pending", "included"]
    edited = Review.objects.get(target_after="Ask at ixus. Use six jars.")
    assert edited.exchange_id == second.pk
    assert rows[second.pk].target is None


def test_a_key_held_down_a_double_click_and_keys_with_modifiers_decide_nothing_twice(reviewing, project):
    ask_many(project, 12)
    page = reviewing()
    for key in ("Alt+i", "Control+i", "Meta+x", "Shift+X"):
        page.keyboard.press(key)
    # A held key, an input method at work, and AltGr, which some layouts report as Ctrl and Alt.
    for how in ({"repeat": True}, {"isComposing": True}, {"ctrlKey": True, "altKey": True, "modifierAltGraph": True}):
        page.evaluate(
            "how => document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'x', bubbles: true, ...how}))", how
        )
    expect(asked(page)).to_have_text("Question 12")
    page.keyboard.down("i")
    for _ in range(30):
        page.keyboard.down("i")  # what a held key sends: the same key down again, marked as a repeat
    page.keyboard.up("i")
    expect(asked(page)).to_have_text("Question 11")
    page.locator('[data-key="x"]').dblclick()
    expect(asked(page)).not_to_have_text("Question 11")
    page.wait_for_load_state("networkidle")
    assert verbs().count("included") == 1
    assert Review.objects.values("exchange").distinct().count() == Review.objects.count()
    assert not Review.objects.filter(verb="excluded", via="key").exists()


def test_escape_leaves_the_editor_and_the_text_is_not_lost_by_going_on(reviewing, project, ana):
    ask_many(project, 2)
    page = reviewing()
    page.keyboard.press("e")
    page.keyboard.type(" Or so.")
    page.keyboard.press("Escape")
    expect(page.locator("h1")).to_be_focused()
    expect(page.locator("#target")).to_have_value("It depends. Or so.")
    expect(page.locator("#saved")).to_contain_text("Saved")
    page.keyboard.press("j")
    expect(asked(page)).to_have_text("Question 1")
    assert Draft.objects.get().text == "It depends. Or so."
    page.go_back()
    expect(asked(page)).to_have_text("Question 2")
    expect(page.locator("#target")).to_have_value("It depends. Or so.")
    page.keyboard.press("i")
    expect(asked(page)).to_have_text("Question 1")
    assert Exchange.objects.get(target="It depends. Or so.").state == "included"
    assert not Draft.objects.exists()


def test_a_draft_is_saved_a_second_after_the_last_key_and_says_so_only_then(reviewing, project):
    ask_many(project, 2)
    page = reviewing()
    page.clock.install()
    page.clock.pause_at(datetime.now() + timedelta(seconds=10))
    page.keyboard.press("e")
    page.keyboard.type(" Maybe")
    page.clock.run_for(900)
    page.keyboard.type(".")
    page.clock.run_for(900)
    expect(page.locator("#saved")).to_have_text("Not saved yet")
    assert not Draft.objects.exists()
    page.clock.run_for(200)
    expect(page.locator("#saved")).to_contain_text(re.compile(r"Saved .*\d\d:\d\d"))
    assert Draft.objects.get().text == "It depends. Maybe."
    page.route("**/draft/", lambda route: route.abort())
    page.keyboard.type("!")
    page.clock.run_for(1100)
    expect(page.locator("#saved")).to_contain_text("Not saved.")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("#status")).to_contain_text("you are still here")
    page.unroute("**/draft/")
    page.get_by_role("button", name="Restore original").click()
    expect(page.locator("#target")).to_have_value("It depends.")
    assert not Draft.objects.exists()
    assert verbs() == []


def test_the_hold_lasts_while_somebody_is_here_and_a_row_taken_over_is_told(reviewing, project, ben):
    row = ask(project, "When do you open?", "At nine.")
    page = reviewing()
    page.clock.install()
    page.keyboard.press("e")
    page.keyboard.type(" Or ten.")
    page.reload()  # a page that is loaded anew begins its beats under the test's clock
    page.wait_for_load_state("networkidle")  # what the page before still sends is over
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z")
    with page.expect_response("**/heartbeat/"):
        page.clock.run_for(61_000)
    held = row.slots.get()
    assert held.is_held
    assert held.reviewer.username == "ana"
    page.keyboard.press("e")
    page.keyboard.type(" Sharp.")
    page.clock.run_for(1100)
    expect(page.locator("#saved")).to_contain_text("Saved")
    take_over(row, ben)
    page.clock.run_for(61_000)
    expect(page.locator("#status")).to_contain_text("ben took this row over")
    draft = Draft.objects.get()
    assert (draft.reviewer.username, draft.text[-7:]) == ("ana", " Sharp.")
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z", reviewer=None)
    page.clock.run_for(310_000)  # nobody has touched anything: the last beats ask for nothing
    page.wait_for_load_state("networkidle")
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z", reviewer=None)
    page.clock.run_for(61_000)
    assert ReviewSlot.objects.get().reviewer is None


def test_next_and_later_go_on_without_and_with_a_verdict(reviewing, project):
    ask_many(project, 3)
    page = reviewing()
    page.keyboard.press("j")
    expect(asked(page)).to_have_text("Question 2")
    page.keyboard.press("s")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["later"]
    assert ReviewSlot.objects.filter(reviewer=None).count() == 2


def test_reasons_tags_redo_and_back_by_keyboard(reviewing, project):
    ask_many(project, 3)
    page = reviewing()
    for key in ("1", "4", "1"):
        page.keyboard.press(key)
    page.keyboard.press("t")
    expect(page.locator("#tag")).to_be_focused()
    page.keyboard.type("six axes")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Take the tag six axes off")).to_be_visible()
    expect(page.locator("h1")).to_be_focused()
    page.keyboard.press("x")
    expect(asked(page)).to_have_text("Question 2")
    assert Review.objects.get().reasons == ["edge case"]
    page.keyboard.press("Control+z")
    expect(asked(page)).to_have_text("Question 3")
    page.keyboard.press("Shift+U")
    expect(asked(page)).to_have_text("Question 2")
    page.keyboard.press("j")
    expect(asked(page)).to_have_text("Question 1")
    page.keyboard.press("k")
    expect(asked(page)).to_have_text("Question 2")
    assert verbs() == ["excluded", "undone", "excluded"]


def test_a_row_is_passed_on_by_one_key(reviewing, project, ben):
    ask_many(project, 2)
    page = reviewing()
    page.keyboard.press("g")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["passed"]
    page.keyboard.press("u")
    expect(asked(page)).to_have_text("Question 2")


def test_an_exclusion_that_lacked_its_reason_goes_with_the_next_digit(reviewing, project):
    project.wants_reason = True
    project.save()
    ask_many(project, 2)
    page = reviewing()
    page.keyboard.press("x")
    expect(page.locator("#fault")).to_be_focused()
    page.keyboard.press("2")
    expect(asked(page)).to_have_text("Question 1")
    assert Review.objects.get().reasons == ["format"]


def test_keys_of_ones_own_and_none_at_all(reviewing, project, ana):
    ana.review_keys = {"include": "ü", "exclude": "I", "later": ""}
    ana.save()
    ask_many(project, 4)
    page = reviewing()
    page.keyboard.press("s")
    page.keyboard.press("i")
    page.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'ü', bubbles: true}))")
    expect(asked(page)).to_have_text("Question 3")
    page.keyboard.press("Shift+I")
    expect(asked(page)).to_have_text("Question 2")
    assert verbs() == ["included", "excluded"]
    ana.has_single_keys = False
    ana.save()
    page.reload()
    for key in "ixsjku1?":
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    expect(asked(page)).to_have_text("Question 2")
    assert len(verbs()) == 2


def test_what_is_typed_is_compared_and_checked_as_it_is_typed(reviewing, json_project):
    json_project.answer_schema = {"properties": {"city": {"type": "string"}}}
    json_project.save()
    ask(json_project, "Batumi?", '{"city":"Tbilisi"}')
    page = reviewing(json_project)
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type('{"city": 7')
    expect(page.locator("#faults")).to_contain_text("line 1")
    expect(page.locator("#changed")).to_contain_text("as soon as this is valid JSON")
    page.keyboard.type("}")
    expect(page.locator("#changed li")).to_contain_text("changed city")
    expect(page.locator("#faults")).to_contain_text('city The value is not of type "string".')
    expect(page.locator("#shown ins")).to_have_text("[added] 7")
    expect(page.locator("#target")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#fault")).to_be_focused()
    page.keyboard.press("d")
    expect(page.locator("#shown h3").first).to_have_text("As captured")
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type('{"city": "Batumi"}')
    expect(page.locator("#faults li")).to_have_count(0)
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("All rows are decided")


def test_the_key_sheet_opens_and_no_verdict_falls_under_it(reviewing, project):
    ask_many(project, 2)
    page = reviewing()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("i")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    expect(asked(page)).to_have_text("Question 2")
    assert verbs() == []


def test_an_answer_that_is_not_json_is_refused_in_place(reviewing, json_project):
    ask(json_project, "Batumi?", '{"city":null}')
    page = reviewing(json_project)
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type('{"city": "Batumi"')
    page.keyboard.press("Control+Enter")
    expect(page.locator("#fault")).to_be_focused()
    expect(page.locator("#target")).to_have_value('{"city": "Batumi"')
    page.keyboard.press("e")
    page.keyboard.type("}")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("All rows are decided")
    assert Exchange.objects.get().target == '{"city":"Batumi"}'


def test_a_row_decided_by_another_meanwhile_shows_both_texts(reviewing, project, ben, give):
    row = ask(project, "When do you open?", "At nine.")
    page = reviewing()
    ReviewSlot.objects.update(claimed_until="2020-01-01T00:00Z")
    give(row, ben, "excluded")
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.type("At ten.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("h1")).to_have_text("This row changed meanwhile")
    expect(page.locator("main")).to_contain_text("Excluded by ben")
    expect(page.locator("#target")).to_have_value("At ten.")
    page.get_by_role("button", name="Put mine on top").click()
    expect(page.locator("h1")).to_have_text("All rows are decided")
    assert Exchange.objects.get().target == "At ten."


def test_a_log_out_elsewhere_loses_nothing_that_was_typed(reviewing, project, live_server):
    ask_many(project, 2)
    page = reviewing()
    page.keyboard.press("e")
    page.keyboard.type(" Or so.")
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("Not saved: you are logged out")
    expect(page.locator("#target")).to_have_value("It depends. Or so.")
    page.context.add_cookies(cookies)
    page.locator("#target").focus()
    page.keyboard.press("Control+Enter")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["included"]


def test_a_server_that_is_away_is_named_and_the_second_press_counts_once(page, reviewing, project):
    ask_many(project, 2)
    # From before the page is there: a page that is open may send one more request past a route that is new.
    page.route("**/include/", lambda route: route.abort())
    reviewing()
    page.keyboard.press("i")
    expect(page.locator("#status")).to_contain_text("Not sent")
    page.unroute("**/include/")
    page.keyboard.press("i")
    expect(asked(page)).to_have_text("Question 1")
    assert verbs() == ["included"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_row_and_its_verbs_without_scrolling_sideways(reviewing, project, scheme):
    ask(project, "W" * 400, "M" * 400)
    page = reviewing()
    page.emulate_media(color_scheme=scheme)
    for width in (320, 380):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for key in ("i", "x", "s", "j"):
            expect(page.locator(f'.verbs [data-key="{key}"]')).to_be_visible()
        boxes = [button.bounding_box() for button in page.locator(".verbs .btn").all() if button.is_visible()]
        assert len(boxes) >= 5
        for box in boxes:
            assert box["height"] >= 44
            assert 0 <= box["x"] < box["x"] + box["width"] <= width
            assert 700 * 3 / 4 < box["y"] < box["y"] + box["height"] <= 700  # where a thumb gets
