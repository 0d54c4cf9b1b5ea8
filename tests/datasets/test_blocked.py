"""What the preflight stops, what a person may let pass, and what is left out by itself."""

import json

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from curation.chat import digest
from curation.datasets import Blocked, check_version, difference, freeze, new_rows_count, verify
from curation.models import Example, Exchange, Family, Project, PromptVariant, Waiver
from tests.asking import SYSTEM

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(project):
    """`row("Where?", "Upstairs.", "test")`: an included row on that side, put there directly."""

    def make(prompt: str, answer: str = "Upstairs.", split: str = "train", **more) -> Exchange:
        now = timezone.now()
        messages = more.pop("messages", [{"role": "user", "content": prompt}])
        return Exchange.objects.create(
            project=project, user_prompt=prompt, messages=messages, response=answer, split=split, state="included",
            included=now, first_seen_at=now, last_seen_at=now, **more,
        )  # fmt: skip

    return make


def system_prompts(version) -> list[str]:
    bodies = version.examples.order_by("exchange_id").values_list("body", flat=True)
    return [json.loads(body)["messages"][0]["content"] for body in bodies]


def kinds(version) -> list[tuple[str, str]]:
    return [(code, severity) for code, severity, _ in version.figures["findings"]]


def test_a_leak_is_refused_and_the_pair_is_shown(project, row):
    taught, held = row("Where is gate 4?"), row("where is GATE 4 …", split="test")
    with pytest.raises(Blocked, match="The same question is held out") as refused:
        freeze(project)
    (found,) = refused.value.found
    assert (found.exchange_id, found.other_id, found.finding.code) == (taught.pk, held.pk, "leak")
    Exchange.objects.filter(pk=taught.pk).update(state="excluded", included=None)
    assert freeze(project).version.test_count == 1


def test_a_blocker_is_waived_by_name_for_the_row_as_it_stands(project, row, ben):
    said = row("What ends a text?", "It is <|endoftext|>.")
    with pytest.raises(Blocked, match="control token"):
        freeze(project)
    Waiver.objects.create(
        project=project, exchange=said, exchange_version=said.version, code="special-token", reason="It is about it.",
        waived_by=ben,
    )  # fmt: skip
    version = freeze(project).version
    finding = version.findings.get(code="special-token")
    assert (finding.exchange, finding.severity, finding.waiver.waived_by) == (said, "blocker", ben)
    assert list(check_version(version, "base")) == []
    Exchange.objects.filter(pk=said.pk).update(version=2, target="Now <|im_end|>.")
    with pytest.raises(Blocked):
        freeze(project)


def test_waivers_and_findings_are_never_changed(project, row, ben):
    waiver = Waiver.objects.create(
        project=project, exchange=row("A?"), exchange_version=1, code="empty", reason="Meant so.", waived_by=ben
    )
    version = freeze(project).version
    for rows in (Waiver.objects.filter(pk=waiver.pk), version.findings.all()):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(code="other")
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Waiver.objects.create(
            project=project, exchange=row("B?"), exchange_version=1, code="x", reason="", waived_by=ben
        )


def test_contradictions_and_duplicates_are_told_with_their_twin(project, row):
    first = row("Is it open?", "Yes.")
    other, same = row("is it open", "No."), row("Is it open!!", "Yes.")
    version = freeze(project).version
    found = {(f.code, f.exchange_id, f.other_id) for f in version.findings.exclude(exchange=None)}
    assert found == {("contradiction", other.pk, first.pk), ("duplicate", same.pk, first.pk)}
    assert ("contradiction", "warning") in kinds(version)
    assert ("too-few", "warning") in kinds(version)  # it can still be frozen and downloaded


def test_what_merged_with_held_out_rows_is_left_out_of_training(project, row):
    held = Family.objects.create(project=project, split="test")
    merged = Family.objects.create(project=project, split="train", merged_into=held)
    row("Taught for long?", family=merged)
    row("Held out?", split="test", family=held)
    row("Another?")
    version = freeze(project).version
    assert (version.train_count, version.test_count, version.figures["withheld"]) == (1, 1, 1)
    assert new_rows_count(project) == 0


def test_a_validation_share_is_put_aside_and_the_same_each_time(project, row):
    Project.objects.filter(pk=project.pk).update(validation_share=25)
    for number in range(80):
        row(f"Question {number}?", f"Answer {number}.")
    first = freeze(project).version
    assert 0 < first.validation_count < 50  # each project draws its own
    assert first.train_count + first.validation_count == 80
    aside = set(first.examples.filter(split="validation").values_list("exchange", flat=True))
    row("One more?")
    second = freeze(project).version
    assert aside <= set(second.examples.filter(split="validation").values_list("exchange", flat=True))


def test_each_captured_prompt_may_have_a_training_prompt_of_its_own(project, row):
    def asked(system: str, prompt: str):
        row(prompt, messages=[{"role": "developer", "content": system}, {"role": "user", "content": prompt}])

    asked(SYSTEM, "One?")
    asked("Translate into Estonian.", "Two?")
    PromptVariant.objects.create(
        project=project, digest=digest("Translate into Estonian."), captured="Translate into Estonian.",
        training_prompt="To Estonian.",
    )  # fmt: skip
    version = freeze(project).version
    taught = [
        example.body.split('"content":"')[1].split('"')[0] for example in version.examples.order_by("exchange_id")
    ]
    assert taught == ["Answer briefly.", "To Estonian."]
    assert version.figures["saved_tokens"] > 0
    Project.objects.filter(pk=project.pk).update(keeps_captured_prompt=True)
    version = freeze(project).version
    taught = [
        example.body.split('"content":"')[1].split('"')[0] for example in version.examples.order_by("exchange_id")
    ]
    assert taught == [SYSTEM, "Translate into Estonian."]
    assert version.figures["saved_tokens"] == 0


def test_keys_of_the_answering_service_are_not_taught(project, row):
    turn = {"role": "assistant", "content": "Hi", "refusal": None, "annotations": [], "audio": None}
    row("And?", messages=[{"role": "user", "content": "Hello"}, turn, {"role": "user", "content": "And?"}])
    assert '{"content":"Hi","role":"assistant"}' in freeze(project).version.examples.get().body


def test_tokens_labels_and_their_spread_are_counted(project, row):
    for number in range(30):
        row(f"Message {number}", "spam" if number % 3 else "ham", "test" if number % 5 == 0 else "train")
    figures = freeze(project).version.figures
    assert figures["labels"] == [["spam", 20], ["ham", 10]]
    assert sum(figures["histogram"]) == 30
    tokens = figures["tokens"]["o200k_base"]
    examples = Example.objects.filter(split="train")
    assert tokens["train"] == sum(examples.values_list("o200k_tokens", flat=True)) > 24 * 10
    assert figures["tokens"]["cl100k_base"].keys() == {"train", "test"}


def test_a_sound_version_verifies_and_an_altered_one_does_not(project, row):
    for number in range(20):
        row(f"Question {number}?", split="test" if number % 4 == 0 else "train")
    version = freeze(project).version
    assert list(verify(version)) == []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL curation.erase = 'on'")
        cursor.execute("UPDATE curation_example SET body = '{}' WHERE split = 'train' AND position = 3")
        cursor.execute("DELETE FROM curation_example WHERE split = 'test' AND position = 1")
    assert list(verify(version)) == [
        "v1: line 3 of train is not what was frozen.",
        "v1: its examples together are not what was frozen.",
        "v1: test has 4 lines and should have 5.",
    ]


def test_two_versions_are_compared_row_by_row(project, row):
    gone, corrected, kept = row("One?"), row("Two?"), row("Three?")
    older = freeze(project).version
    Exchange.objects.filter(pk=gone.pk).update(state="excluded", included=None)
    Exchange.objects.filter(pk=corrected.pk).update(target="Downstairs.", version=2)
    added = row("Four?")
    newer = freeze(project).version
    changes = difference(older, newer)
    assert [example.exchange_id for example in changes.added] == [added.pk]
    assert [example.exchange_id for example in changes.removed] == [gone.pk]
    assert [example.exchange_id for example in changes.corrected] == [corrected.pk]
    assert kept.pk in set(newer.examples.values_list("exchange", flat=True))
