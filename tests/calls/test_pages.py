"""The log of calls on pages: newest first, never a body in a list, one call as it was."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from curation.models import LoggedCall
from curation.recording import record
from tests.asking import ask, call_of


@pytest.fixture
def client_of_vic(person, browser_of):
    return browser_of(person("vic", 10))


def test_calls_are_listed_newest_first_and_page_by_page(project, client_of_vic):
    start = datetime(2026, 3, 1, tzinfo=UTC)
    # Three calls at each moment, so that a page ends between calls of the same time.
    record([call_of(project, f"Q{n}", "A", started_at=start + timedelta(seconds=n // 3)) for n in range(120)])
    address = reverse("calls", args=[project.slug])
    seen, query = [], ""
    for _ in range(3):
        page = client_of_vic.get(address + query).content.decode()
        seen += re.findall(r">(Q\d+)<", page)
        older = re.search(r'href="(\?[^"]*before=[^"]*)"', page)
        query = older.group(1).replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 120
    times = [int(question[1:]) // 3 for question in seen]
    assert times == sorted(times, reverse=True)
    assert query == ""


def test_a_list_reads_no_bodies(project, client_of_vic):
    ask(project, "When do you open?", "At nine.")
    with CaptureQueriesContext(connection) as captured:
        page = client_of_vic.get(reverse("calls", args=[project.slug])).content.decode()
    assert "At nine." not in page
    assert len(captured) <= 7
    for query in captured:
        for column in ("request_body", "response_body", "answer", "messages"):
            assert f'"{column}"' not in query["sql"]


def test_failed_calls_can_be_picked_out(project, client_of_vic):
    ask(project, "When do you open?")
    record([call_of(project, "Hello?", None, outcome=LoggedCall.Outcome.FAILED, status_code=503, response_body=b"")])
    page = client_of_vic.get(reverse("calls", args=[project.slug]), {"outcome": "failed"}).content.decode()
    assert "failed 503" in page
    assert page.count("<tr>") == 2


def test_one_call_is_shown_as_it_was(project, client_of_vic):
    row = ask(project, "<b>When</b> do you open?", "At <i>nine</i>.")
    call = row.calls.get()
    page = client_of_vic.get(reverse("call", args=[project.slug, call.pk])).content.decode()
    assert "&lt;b&gt;When&lt;/b&gt; do you open?" in page
    assert "<i>nine" not in page
    assert reverse("review_exchange", args=[project.slug, row.pk]) in page
    whole = client_of_vic.get(reverse("call_raw", args=[project.slug, call.pk, "request"]))
    assert whole.content.decode() == call.request_body
    assert whole["X-Content-Type-Options"] == "nosniff"


def test_a_call_of_many_megabytes_makes_a_small_page(project, client_of_vic):
    call = ask(project, "Why? " * 1_000_000, "Because. " * 100_000).calls.get()
    answer = client_of_vic.get(reverse("call", args=[project.slug, call.pk]))
    assert len(answer.content) < 300_000
    assert "characters are left out here" in answer.content.decode()


def test_an_empty_list_says_what_to_do(project, client_of_vic):
    assert "How to make the first call" in client_of_vic.get(reverse("calls", args=[project.slug])).content.decode()


@pytest.fixture
def listed(project, client_of_vic):
    """`listed(model="m")`: the prompts of the calls that such a list shows."""

    def prompts(**query):
        page = client_of_vic.get(reverse("calls", args=[project.slug]), query).content.decode()
        return re.findall(r'<span class="cut">([^<]*)</span>', page)

    return prompts


def test_calls_are_found_by_what_they_are(project, listed):
    old = datetime(2026, 3, 1, 12, tzinfo=UTC)
    record(
        [
            call_of(project, "First", "A", served_model="m-1", tags=["beta"], started_at=old),
            call_of(project, "Second", "B", served_model="m-2", source="import", started_at=old + timedelta(days=1)),
            call_of(project, "Third", None, outcome="failed", response_body=b"", started_at=old + timedelta(days=2)),
        ]
    )
    assert listed() == ["", "Second", "First"]
    assert listed(model="m-1") == ["First"]
    assert listed(tag="beta") == ["First"]
    assert listed(source="import") == ["Second"]
    assert listed(outcome="completed", since="2026-03-02") == ["Second"]
    assert listed(until="2026-03-01") == ["First"]
    assert listed(since="2026-03-02", until="2026-03-03") == ["", "Second"]
    assert listed(source="nonsense", since="yesterday", model="\0") == ["", "Second", "First"]


def test_calls_are_found_by_words_and_by_their_ids(project, listed):
    row = ask(project, "Where is the lost property office?", "Behind gate 4.", own_id="order-17")
    ask(project, "When do you open?", "At nine.")
    call = row.calls.get()
    for query in ("lost property", "roperty off", "behind", str(call.pk), "order-17"):
        assert listed(q=query) == ["Where is the lost property office?"], query
    assert listed(q="umbrella") == []


def test_a_found_list_goes_on_page_by_page(project, client_of_vic):
    record([call_of(project, f"Q{n}", "A", served_model="m-1" if n % 2 else "m-2") for n in range(120)])
    page = client_of_vic.get(reverse("calls", args=[project.slug]), {"model": "m-1"}).content.decode()
    older = re.search(r'href="(\?[^"]*before=[^"]*)"', page).group(1).replace("&amp;", "&")
    page = client_of_vic.get(reverse("calls", args=[project.slug]) + older).content.decode()
    found = [int(n) for n in re.findall(r">Q(\d+)<", page)]
    assert len(found) == 10
    assert all(n % 2 for n in found)
    assert "before=" not in page


def test_the_counters_tell_of_the_last_hour(project, client_of_vic):
    now = datetime.now(UTC)
    record(
        [
            call_of(project, "A", "a", duration_ms=100, started_at=now - timedelta(minutes=2)),
            call_of(project, "B", "b", duration_ms=300, started_at=now - timedelta(minutes=1)),
            call_of(project, "C", None, outcome="failed", duration_ms=200, response_body=b"", started_at=now),
            call_of(project, "D", "d", duration_ms=9000, started_at=now - timedelta(hours=2)),
        ]
    )
    with CaptureQueriesContext(connection) as captured:
        page = client_of_vic.get(reverse("calls_figures", args=[project.slug])).content.decode()
    assert "3 calls, 1 not completed, half of them within 200 ms, 78 tokens" in page
    assert 'hx-trigger="every 5s"' in page
    assert sum("curation_loggedcall" in query["sql"] for query in captured) == 1
    assert 'id="figures"' in client_of_vic.get(reverse("calls", args=[project.slug])).content.decode()


def test_the_counters_of_a_quiet_project(project, client_of_vic):
    assert (
        "In the last hour 0 calls." in client_of_vic.get(reverse("calls_figures", args=[project.slug])).content.decode()
    )


def test_a_price_is_shown_where_it_is_known(project, client_of_vic):
    tuned = ask(project, "Dear?", "Yes.", served_model="ft:gpt-4.1-mini-2025-04-14:us::1").calls.get()
    plain = ask(project, "Free?", "Yes.", served_model="baseline").calls.get()
    priced = client_of_vic.get(reverse("call", args=[project.slug, tuned.pk])).content.decode()
    assert "US dollars" in priced
    assert "US dollars" not in client_of_vic.get(reverse("call", args=[project.slug, plain.pk])).content.decode()


@pytest.mark.parametrize("name", ["calls", "calls_figures"])
def test_strangers_find_no_calls_and_visitors_are_sent_to_log_in(project, person, browser_of, name):
    address = reverse(name, args=[project.slug])
    assert browser_of(person("sam")).get(address).status_code == 404
    assert browser_of(None).get(address).url.startswith("/login/")
    assert browser_of(person("vera", 10)).post(address).status_code == 405
