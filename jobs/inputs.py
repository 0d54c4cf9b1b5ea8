"""A strong model writes new inputs for a project's task; a person chooses which become the table of a generation."""

import csv
import io
import json
import logging
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Exists, F, OuterRef

from curation.chat import Message, clean
from curation.models import Exchange, Project, Provider, SealedKeyUnreadable, User

from . import drafting
from .models import DraftedInput, Generation, InputDraft
from .providers.openai import Service
from .tables import MAX_CELL
from .verbatim import ask, chat_request

log = logging.getLogger(__name__)

# A worker puts a draft down after so many seconds.
TURN = 20
# So many requests in a row that bring nothing new, and the model has no more to give.
MOST_BARREN = 3
EXAMPLES = 8
EXAMPLE_LENGTH = 2_000  # characters shown of one example
# Inputs written already that the model is told not to repeat: the latest.
REMINDED = 40
TEMPLATE = "{{ input }}"

SYSTEM = (
    "You write inputs such as people or programs send to an application. A language model will be tested and trained "
    "with them, so they must be realistic: as varied in content, length and wording as the real ones, and as untidy. "
    "You write only the inputs, never the answers to them."
)


class NothingChosen(Exception):
    """No input was chosen that could make a table."""


# What a person asks for


def request_inputs(
    project: Project,
    provider: Provider,
    model: str,
    *,
    task: str = "",
    examples: Sequence[str] = (),
    per_request: int = 20,
    wanted_count: int = 100,
    user: User | None = None,
) -> InputDraft:
    """Have a worker ask for that many new inputs, `per_request` at a time, from the task's description and examples."""
    draft = InputDraft.objects.create(
        project=project,
        provider=provider,
        model=model,
        task=task,
        examples=[example[:EXAMPLE_LENGTH] for example in examples],
        per_request=per_request,
        wanted_count=wanted_count,
        total_count=wanted_count,
        created_by=user,
    )
    log.info("%s requested project=%s wanted=%s", draft, project.slug, wanted_count)
    return draft


def likely_examples(project: Project) -> list[Exchange]:
    """Prompts to show a model what inputs are like: what people included last, else what came last."""
    rows = project.exchanges.only("project_id", "user_prompt").exclude(user_prompt="")
    return list(rows.order_by(F("included").desc(nulls_last=True), "-pk")[:EXAMPLES])


def choose(draft: InputDraft, ids: Iterable[int], user: User | None = None) -> Generation:
    """Make the chosen inputs the table of a generation, which is drafted and asks nothing yet.

    Raises NothingChosen, and NotPossible when the project has no provider.
    """
    texts = draft.inputs.filter(pk__in=list(ids)).values_list("text", flat=True)
    if not texts:
        raise NothingChosen("Choose at least one input.")
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([["input"], *([text] for text in texts)])
    table = ContentFile(out.getvalue().encode(), f"inputs-{draft.pk}.csv")
    generation = drafting.draft(draft.project, table, name=f"Written inputs {draft.pk}", user=user)
    drafting.write(generation, template=TEMPLATE)
    InputDraft.objects.filter(pk=draft.pk).update(generation=generation)
    return generation


# What a worker does


def advance(pk: int) -> None:
    """Ask for inputs until there are enough, for some seconds (for a worker)."""
    draft = InputDraft.claim(pk)
    if draft is None:
        return
    try:
        key = draft.provider.open_key()
    except SealedKeyUnreadable as error:
        draft.give_up(str(error))
        return
    end = time.monotonic() + TURN
    with Service(draft.provider.url, key, draft.provider.reach) as service:
        while _goes_on(draft):
            if time.monotonic() > end:
                draft.wait(0)
                break
            if not _ask_once(draft, service):
                break


def _goes_on(draft: InputDraft) -> bool:
    """Whether more is wanted; ends the job when not."""
    if draft.cancel_requested_at:
        return _end(draft, InputDraft.Status.CANCELLED)
    if draft.done_count >= draft.wanted_count:
        return _end(draft, InputDraft.Status.SUCCEEDED)
    if draft.barren_count >= MOST_BARREN:
        words = f"The model wrote nothing new {MOST_BARREN} times in a row, so it was asked no more."
        return _end(draft, InputDraft.Status.SUCCEEDED, words)
    return True


def _end(draft: InputDraft, status: InputDraft.Status, words: str = "") -> bool:
    if draft.settle(status, words):
        log.info("%s %s written=%s", draft, status.value, draft.done_count)
    return False


def _ask_once(draft: InputDraft, service: Service) -> bool:
    """One request; False when it brought an error and the job was put down, or another worker has it."""
    heard = ask(service, chat_request(draft.model, messages_for(draft)))
    if heard.error:
        words = str(heard.error)
        if heard.error.permanent:
            _end(draft, InputDraft.Status.FAILED, words)
        else:
            draft.retry(words, heard.error.retry_after)
        return False
    assert heard.answer is not None
    return _store(draft, inputs_in(heard.answer.text or ""))


@transaction.atomic
def _store(draft: InputDraft, texts: list[str]) -> bool:
    """Keep what is new. What is the same is for the database to say: in the draft, and in the project."""
    before = draft.inputs.count()
    rows = [DraftedInput(draft=draft, text=text) for text in texts]
    DraftedInput.objects.bulk_create(rows, ignore_conflicts=True)
    same = Exchange.objects.filter(project=draft.project).asked_as(OuterRef("prompt_key"))
    draft.inputs.filter(Exists(same)).delete()
    count = draft.inputs.count()
    return draft.keep(
        done_count=count,
        request_count=F("request_count") + 1,
        left_out_count=F("left_out_count") + len(texts) - (count - before),
        barren_count=0 if count > before else F("barren_count") + 1,
        setback_count=0,
    )


def messages_for(draft: InputDraft) -> list[Message]:
    """The next request for inputs, as chat messages."""
    count = min(draft.per_request, draft.wanted_count - draft.done_count)
    written = list(draft.inputs.order_by("-pk").values_list("text", flat=True)[:REMINDED])
    parts = [
        f"What the application does:\n{draft.task}" if draft.task else "",
        f"Inputs it got, as a JSON list:\n{_as_json(draft.examples)}" if draft.examples else "",
        f"Written already, not to be repeated:\n{_as_json(written)}" if written else "",
        f"Write {count} new inputs, different from all of these and from each other. Answer with one JSON list of "
        "strings and nothing else.",
    ]
    asked = "\n\n".join(part for part in parts if part)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": asked}]


def _as_json(texts: list[str]) -> str:
    return json.dumps([text[:EXAMPLE_LENGTH] for text in texts], ensure_ascii=False, indent=1)


# Reading a model's list

_FENCE = re.compile(r"```[a-z]*\n(.*?)```", re.DOTALL)
_BULLET = re.compile(r"^(?:[-*•]|\(?\d{1,3}[.):])\s+")


def inputs_in(answer: str) -> list[str]:
    """The inputs in a model's answer: a JSON list of texts, alone or wrapped; else its lines, without their bullets.

    Blank ones, ones too long for a cell, and repeats letter by letter do not count.
    """
    found = _from_json(answer)
    texts = _from_lines(answer) if found is None else found
    stripped = (clean(text)[0].strip() for text in texts)
    return list(dict.fromkeys(text for text in stripped if text and len(text) <= MAX_CELL))


def _from_json(answer: str) -> list[str] | None:
    fenced = _FENCE.search(answer)
    for text in (answer, fenced[1] if fenced else "", answer[answer.find("[") : answer.rfind("]") + 1]):
        try:
            listed = _list_in(json.loads(text))
        except (ValueError, RecursionError):
            continue
        if listed is not None:
            return [text for text in map(_text_of, listed) if text is not None]
    return None


def _list_in(value: Any) -> list[Any] | None:
    """The value itself, or the only list among an object's values."""
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        return lists[0] if len(lists) == 1 else None
    return value if isinstance(value, list) else None


def _text_of(value: Any) -> str | None:
    """A listed text, or the only text of a listed object."""
    if isinstance(value, dict):
        texts = [inner for inner in value.values() if isinstance(inner, str)]
        return texts[0] if len(texts) == 1 else None
    return value if isinstance(value, str) else None


def _from_lines(answer: str) -> list[str]:
    """Each line is an input. Where some have bullets, those without are what the model said around them."""
    fenced = _FENCE.search(answer)
    lines = [line.strip() for line in (fenced[1] if fenced else answer).splitlines() if line.strip()]
    if any(_BULLET.match(line) for line in lines):
        lines = [line for line in lines if _BULLET.match(line)]
    texts = [_BULLET.sub("", line).strip() for line in lines]
    return [text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text for text in texts]
