"""A project that trains itself on a schedule: a month of it, its pauses, and what keeps it from beginning."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from curation.models import Coverage, Membership, Pair
from jobs import readiness
from jobs.models import FineTune, RetrainingCheck, RetrainingPolicy, RetrainingRun
from tests.machines import drive
from tests.provider_stub import Stub, refusal

pytestmark = pytest.mark.django_db
Role = Membership.Role


@pytest.fixture
def policy(project, provider, include) -> RetrainingPolicy:
    """Every night at half past two in Berlin, when 16 rows are new; and 16 are."""
    for number in range(16):
        include(f"Question {number}?", f"Answer {number}.", "test" if number % 4 == 3 else "train")
    policy = readiness.policy_of(project)
    policy.is_enabled, policy.minimum_new_count, policy.when_better = True, 16, "promote"
    policy.schedule, policy.time_zone = "30 2 * * *", "Europe/Berlin"
    policy.starts_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    policy.save()
    return policy


def test_a_month_of_checks(policy, include, stub: Stub):
    """Five rows a day: each night leaves one line, every fourth one trains, and a second beat changes nothing."""
    start, trained = datetime(2026, 11, 1, 12, tzinfo=UTC), []
    for hour in range(0, 30 * 24, 6):
        now = start + timedelta(hours=hour)
        for _beat in range(2):
            for run in readiness.check_all(now):
                stub.model = f"ft:{now:%d}"
                assert drive(run).status == RetrainingRun.Status.SUCCEEDED
                trained.append(now.day)
        if hour % 24 == 12:
            for number in range(5):
                include(f"Day {now.day} question {number}?", f"Answer {now.day}.")
    lines = list(policy.checks.order_by("pk"))
    assert len(lines) == 30
    assert len({line.due_at for line in lines}) == 30
    assert {f"{line.due_at:%H:%M}" for line in lines} == {"01:30"}
    assert trained == [2, 6, 10, 14, 18, 22, 26, 30]
    assert stub.create_count == len(trained) == sum(line.is_due for line in lines)
    assert lines[1].words == "Not today: 5 of 16 new rows."
    assert lines[4].words == "Due: 20 new rows, 16 are enough."


def test_a_time_that_was_missed_is_made_up_for_once_and_one_before_it_was_switched_on_is_not(policy, stub: Stub):
    policy.starts_at = datetime(2026, 11, 10, 12, tzinfo=UTC)
    policy.save()
    assert readiness.check_all(datetime(2026, 11, 10, 18, tzinfo=UTC)) == []
    assert not policy.checks.exists()
    [run] = readiness.check_all(datetime(2026, 11, 13, 9, tzinfo=UTC))  # nothing ran for two days
    assert run.due_at == datetime(2026, 11, 13, 1, 30, tzinfo=UTC)
    assert policy.checks.count() == 1


def test_every_reason_is_said_at_once(policy, project, include):
    first, second, *_ = project.exchanges.order_by("pk")
    Pair.objects.create(project=project, first=first, second=second, first_version=1, second_version=1)
    Coverage.objects.create(
        project=project, counted_at=timezone.now(),
        figures=[{"region": 1, "name": "gates", "rows": 9, "included": 4, "calls": 100, "covered": 40}],
    )  # fmt: skip
    policy.minimum_new_count, policy.minimum_coverage_gain = 50, 60
    policy.save()
    version = project.versions.create(number=9, content_hash="9" * 64, train_count=1, test_count=0)
    FineTune.objects.create(project=project, version=version, provider=project.default_provider, base_model="b")
    readiness.check_all(datetime(2026, 11, 2, 3, tzinfo=UTC))
    said = policy.checks.get().words
    assert said.startswith("Not today: 16 of 50 new rows, 1 contradiction, +40.0 of +60 points of coverage, fine-tune ")


def test_rounds_keep_their_distance(policy, include, stub: Stub):
    policy.minimum_hours = 48
    policy.save()
    [run] = readiness.check_all(datetime(2026, 11, 2, 3, tzinfo=UTC))
    drive(run)
    for number in range(16, 40):
        include(f"Question {number}?", f"Answer {number}.")
    assert readiness.check_all(datetime(2026, 11, 3, 3, tzinfo=UTC)) == []
    assert (
        policy.checks.first().words == "Not today: 26 of 48 hours since the last round."
        or "hours since" in policy.checks.first().words
    )
    stub.model = "ft:again"
    assert len(readiness.check_all(datetime(2026, 11, 4, 3, tzinfo=UTC))) == 1


def test_a_provider_that_is_down_keeps_it_from_beginning(policy, stub: Stub):
    stub.refuse["GET /models/base"] = [refusal(503, message="down")]
    assert readiness.check_all(datetime(2026, 11, 2, 3, tzinfo=UTC)) == []
    assert "does not answer" in policy.checks.get().words
    assert len(readiness.check_all(datetime(2026, 11, 3, 3, tzinfo=UTC))) == 1


def test_a_blocker_in_the_preflight_keeps_it_from_beginning(policy, include):
    include("A question with a secret?", "The key is sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH.")
    include("A broken one?", "")
    assert readiness.check_all(datetime(2026, 11, 2, 3, tzinfo=UTC)) == []
    assert "in the preflight" in policy.checks.get().words
    assert not RetrainingRun.objects.exists()
    assert not policy.project.versions.exists()


def test_looking_all_the_time_writes_a_line_only_when_something_changes(policy, include):
    RetrainingPolicy.objects.update(schedule="", minimum_new_count=18)
    for minute in range(5):
        readiness.check_all(datetime(2026, 11, 2, 3, minute, tzinfo=UTC))
    include("Question 16?", "Answer 16.")
    readiness.check_all(datetime(2026, 11, 2, 4, tzinfo=UTC))
    lines = policy.checks.order_by("pk").values_list("words", "count")
    assert list(lines) == [("Not today: 16 of 18 new rows.", 5), ("Not today: 17 of 18 new rows.", 1)]


FORM = {
    "is_enabled": "on", "schedule": " 30  2 * * mon-fri ", "time_zone": "Europe/Berlin", "minimum_hours": "24",
    "minimum_new_count": "20", "most_contradictions": "0", "needs_green_preflight": "on", "when_better": "ask",
}  # fmt: skip


def test_an_owner_sets_a_schedule_and_an_operator_pauses_it(project, provider, person, browser_of):
    otto, olga = browser_of(person("otto", Role.OWNER)), browser_of(person("olga", Role.OPERATOR))
    save, pause = reverse("retraining_save", args=["support"]), reverse("retraining_pause", args=["support"])
    page = otto.post(save, FORM, follow=True).text
    assert "Checked next on" in page
    assert "02:30 (Europe/Berlin)" in page
    policy = RetrainingPolicy.objects.get()
    assert (policy.schedule, policy.starts_at is None) == ("30 2 * * mon-fri", False)
    assert "Paused. A round that has begun goes on." in olga.post(pause, {"verb": "pause"}, follow=True).text
    assert not RetrainingPolicy.objects.get().is_enabled
    assert "It goes on." in olga.post(pause, {"verb": "resume"}, follow=True).text


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("* * * * *", "at least an hour"),
        ("61 * * * *", "is no minute"),
        ("0 0 30 2 *", "never comes"),
        ("0,30 * * * *", "an hour"),
    ],
)
def test_a_schedule_that_makes_no_sense_or_costs_too_much_is_refused(
    project, provider, person, browser_of, schedule, words
):
    otto = browser_of(person("otto", Role.OWNER))
    answer = otto.post(reverse("retraining_save", args=["support"]), FORM | {"schedule": schedule})
    assert answer.status_code == 422
    assert words in answer.text


def test_a_dry_run_says_what_would_happen_and_leaves_no_trace(policy, person, browser_of, stub: Stub):
    page = browser_of(person("vera", Role.VIEWER)).get(reverse("retraining_dry_run", args=["support"])).text
    assert "Due: 16 new rows, 16 are enough." in page
    assert "Freeze 12 examples to train on and 4 held out." in page
    assert "provider “" in page
    assert not RetrainingCheck.objects.exists()
    assert not RetrainingRun.objects.exists()
    assert not policy.project.versions.exists()
