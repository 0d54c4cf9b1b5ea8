"""A model's opinion of answers, one after the other: asked once, kept, and taken from what was kept."""

import json
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from curation.chat import said_in
from curation.json_text import canonical, digest
from curation.models import Provider
from curation.prices import price_for

from .graders import Grade, is_judge
from .graders.judge import opinion, questions
from .models import EvaluationResult, EvaluationRun, Judgement
from .providers.base import Reply
from .providers.openai import Service

# An opinion is a number and a sentence.
OPINION_TOKENS = 200
LETTERS_A_TOKEN = 3
MOST_SAID = 2000


@dataclass(frozen=True)
class Waiting:
    """An answer without its opinion. `most_dollars` is what asking may cost, 0 where no price is known."""

    result: EvaluationResult
    grader: dict[str, Any]
    provider: Provider
    asked: list[list[dict[str, str]]]
    most_dollars: float


def done_count(run: EvaluationRun) -> int:
    """How many opinions the run has."""
    rows = EvaluationResult.objects.filter(candidate__run=run)
    return sum(rows.filter(grades__has_key=each["name"]).count() for each in _judges(run))


def _judges(run: EvaluationRun) -> list[dict[str, Any]]:
    return [each for each in run.graders if is_judge(each["definition"])]


def next_of(run: EvaluationRun) -> Waiting | None:
    """None when every answer has every opinion."""
    for grader in _judges(run):
        rows = EvaluationResult.objects.filter(candidate__run=run).exclude(grades__has_key=grader["name"])
        rows = rows.exclude(example__body="")  # erased
        result = rows.select_related("example").order_by("repeat", "example__position", "pk").first()
        if result is None:
            continue
        provider = Provider.objects.get(pk=grader["provider"])
        expected = said_in(json.loads(result.example.body)["messages"][-1])
        asked = questions(grader["definition"], expected, result.answer) if result.answer is not None else []
        price = price_for(provider, grader["definition"]["model"])
        dollars = 0.0
        if price and price.input is not None and price.output is not None:
            read = sum(len(canonical(each)) for each in asked) / LETTERS_A_TOKEN
            dollars = (read * price.input + len(asked) * OPINION_TOKENS * price.output) / 1_000_000
        return Waiting(result, grader, provider, asked, dollars)
    return None


def judge(waiting: Waiting) -> float:
    """Ask, or read what was said before, and keep the grade with the answer; returns what it cost in US dollars, as
    far as known. Raises ProviderError.
    """
    spent, said = 0.0, []
    if waiting.asked:
        provider = waiting.provider
        with Service(provider.url, provider.open_key(), provider.reach) as service:
            for question in waiting.asked:
                judgement, dollars = _judgement(waiting, question, service)
                spent += dollars
                said.append(judgement.value)
    grade = _grade(waiting.grader["definition"], said)
    with transaction.atomic():
        result = EvaluationResult.objects.select_for_update().get(pk=waiting.result.pk)
        result.grades[waiting.grader["name"]] = grade.as_json()
        result.save(update_fields=["grades"])
    return spent


def _judgement(waiting: Waiting, question: list[dict[str, str]], service: Service) -> tuple[Judgement, float]:
    model = waiting.grader["definition"]["model"]
    key = {
        "project": waiting.provider.project,
        "provider": waiting.provider,
        "model": model,
        "request_digest": digest(canonical(question)),
    }
    if known := Judgement.objects.filter(**key).first():
        return known, 0.0
    reply = service.chat(model, question)
    made, _ = Judgement.objects.get_or_create(
        **key,
        defaults={
            "value": opinion(reply.text),
            "said": (reply.text or "").replace("\0", "\ufffd")[:MOST_SAID],
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
        },
    )
    return made, _cost(waiting, reply)


def _cost(waiting: Waiting, reply: Reply) -> float:
    price = price_for(waiting.provider, waiting.grader["definition"]["model"])
    if price is None or price.input is None or price.output is None:
        return 0.0
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return waiting.most_dollars / max(len(waiting.asked), 1)
    return (reply.prompt_tokens * price.input + reply.completion_tokens * price.output) / 1_000_000


def _grade(definition: dict[str, Any], said: list[Any]) -> Grade:
    """The mean of the orders; both opinions are told apart where they differ."""
    scores = [each["score"] for each in said if each]
    if not scores:
        return Grade(0.0, False, "no answer" if not said else "the model gave no score", {"opinion": True})
    score = sum(scores) / len(scores)
    note = next((each["reason"] for each in said if each and each.get("reason")), "")
    if len(set(scores)) > 1:
        note = f"{' and '.join(f'{each:.2f}' for each in scores)} by order of the texts. {note}".strip()
    return Grade(score, score >= definition.get("pass_threshold", 1.0), note, {"opinion": True})
