"""The one door into the log: nothing else creates LoggedCalls and Exchanges. Stores first, understands what it can."""

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from . import chat, responses
from .families import sketches
from .json_text import may_be_broken
from .models import LoggedCall, Project
from .redaction import STRICTEST, Policy, Redactor, redactor
from .schemas import answer_schema

Outcome = LoggedCall.Outcome
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request as it happened. Times in milliseconds are since `started_at`.

    `outcome` may stay empty: then status and answer decide. Only who sat on the wire knows "client gone", "interrupted"
    and errors that left no answer.
    """

    id: UUID
    project_id: int
    source: str
    endpoint: str
    started_at: datetime
    request_body: bytes
    response_body: bytes = b""
    outcome: str = ""
    error_code: str = ""
    api_key_id: int | None = None
    provider_id: int | None = None
    requested_model: str = ""
    served_model: str = ""
    is_stream: bool = False
    status_code: int | None = None
    first_byte_ms: float | None = None
    duration_ms: float | None = None
    client_request_id: str = ""
    user_agent: str = ""
    own_id: str = ""
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """Calls as the database is to have them, masked and understood: rows of `_COLUMNS` by the call's id."""

    rows: dict[UUID, Row]

    def only(self, ids: Set[UUID]) -> "Prepared | None":
        """Those of the ids; None where not all of them are here."""
        return Prepared({pk: self.rows[pk] for pk in self.rows if pk in ids}) if ids <= self.rows.keys() else None


def record(calls: Sequence[Call]) -> dict[UUID, int | None]:
    """Store calls in one short transaction and return each call's exchange id, None where it made none.

    A call whose id is known already is not stored again; its exchange id is returned all the same. A completed call
    with a user prompt and an answer in words belongs to an Exchange: a new one (with its split and its first review
    slot), or the one that has the same prompt as citext sees it, which then was seen once more. What the project wants
    masked is masked first: it comes no further than here. Raises DatabaseError; then nothing is stored.
    """
    return store(prepare(calls, policies_of(calls)))


def policies_of(calls: Sequence[Call]) -> dict[int, Policy]:
    """What is masked in each call's project."""
    return Project.objects.filter(pk__in={call.project_id for call in calls}).redaction_policies() if calls else {}


def prepare(calls: Sequence[Call], policies: Mapping[int, Policy]) -> Prepared:
    """The part of `record` that needs no database, for whoever has time for it while a batch before is stored."""
    masked = [_masked(call, redactor(policies.get(call.project_id, STRICTEST))) for call in calls]
    rows = {call.id: _row(call, count) for call, count in reversed(masked)}
    asked = [row for row in rows.values() if row["messages"]]
    sketched = sketches([(row["messages"], row["context_digest"]) for row in asked])
    for row, keys in zip(asked, sketched, strict=True):
        row |= {"family_keys": keys, "messages": chat.canonical(row["messages"])}
    return Prepared(rows)


def store(prepared: Prepared) -> dict[UUID, int | None]:
    """The part of `record` that is done in the database."""
    if not prepared.rows:
        return {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
            for row in prepared.rows.values():
                copy.write_row([row.get(name) for name in _COLUMNS])
        cursor.execute(_MERGE)
        cursor.execute("SELECT id, exchange_id FROM curation_loggedcall WHERE id = ANY(%s)", [list(prepared.rows)])
        return dict(cursor.fetchall())


_COLUMNS = {
    "id": "uuid",
    "project_id": "bigint",
    "api_key_id": "bigint",
    "provider_id": "bigint",
    "source": "text",
    "outcome": "text",
    "endpoint": "text",
    "requested_model": "text",
    "served_model": "text",
    "is_stream": "boolean",
    "status_code": "smallint",
    "error_code": "text",
    "request_body": "text",
    "response_body": "text",
    "is_cleaned": "boolean",
    "masked_count": "integer",
    "answer": "text",
    "answer_digest": "text",
    "other_answers": "text[]",
    "other_digests": "text[]",
    "finish_reason": "text",
    "prompt_tokens": "integer",
    "completion_tokens": "integer",
    "started_at": "timestamptz",
    "first_byte_ms": "float8",
    "duration_ms": "float8",
    "client_request_id": "text",
    "user_agent": "text",
    "own_id": "text",
    "tags": "text[]",
    "user_prompt": "citext",
    "context_digest": "text",
    "messages": "text",
    "family_keys": "bigint[]",
    "tools": "text",
    "answer_schema": "text",
}
# Kept for the life of the connection: making tables for each batch would bloat the catalogue. Emptied also at the
# start, for callers that have a transaction of their own around several batches. What is here for a moment only is not
# compressed as long as it fits on a page.
_STAGE = f"""
    CREATE TEMP TABLE IF NOT EXISTS curation_incoming (
        {", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())},
        prompt_key citext GENERATED ALWAYS AS (curation_prompt_key(user_prompt)) STORED
    ) WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE IF NOT EXISTS curation_asked (id uuid, exchange_id bigint, speaker uuid) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE IF NOT EXISTS curation_prompt (
        exchange_id bigint, speaker uuid, project_id bigint, family_keys bigint[], family_id bigint, split text,
        seen integer, answers integer, first_seen_at timestamptz, last_seen_at timestamptz
    ) ON COMMIT DELETE ROWS;
    DELETE FROM curation_incoming;
    DELETE FROM curation_asked;
    DELETE FROM curation_prompt
"""  # noqa: S608 - the names above are ours
_COPY = f"COPY curation_incoming ({', '.join(_COLUMNS)}) FROM STDIN"
_MERGE = Path(__file__).with_name("recording.sql").read_text()


_SHORT_TEXTS = (
    "endpoint", "requested_model", "served_model", "error_code", "client_request_id", "user_agent", "own_id",
)  # fmt: skip


def _masked(call: Call, mask: Redactor) -> tuple[Call, int]:
    """The call with what its project wants masked, and how much that was."""
    request, counts = mask.body(call.request_body)
    response, found = mask.body(call.response_body)
    texts, found_in_texts = mask.texts([*(getattr(call, name) for name in _SHORT_TEXTS), *call.tags])
    count = (counts + found + found_in_texts).total()
    if not count:
        return call, 0
    masked: dict[str, Any] = dict(zip(_SHORT_TEXTS, texts, strict=False))
    masked |= {"tags": texts[len(_SHORT_TEXTS) :], "request_body": request, "response_body": response}
    return dataclasses.replace(call, **masked), count


def _row(call: Call, masked_count: int) -> Row:
    """The call as `_COLUMNS` wants it, its messages still as a value."""
    answer = _answer_of(call)
    outcome = _outcome(call, answer)
    texts = _Texts()
    words = None if answer.text is None else texts.clean(answer.text)
    others = [texts.clean(text) for text in answer.others]
    is_whole = outcome == Outcome.COMPLETED and answer.is_complete and words is not None
    request, messages, prompt = _prompt_of(call, texts) if is_whole else ({}, None, None)
    context = None if prompt is None else chat.context_digest(prompt.context)
    values = {
        "id": call.id,
        "project_id": call.project_id,
        "api_key_id": call.api_key_id,
        "provider_id": call.provider_id,
        "source": str(call.source),
        "outcome": str(outcome),
        "endpoint": texts.clean(call.endpoint, 80),
        "requested_model": texts.clean(call.requested_model, 200),
        "served_model": texts.clean(call.served_model or answer.model, 200),
        "is_stream": call.is_stream,
        "status_code": call.status_code,
        "error_code": texts.clean(_error_code(call, answer, outcome), 200),
        "request_body": texts.decode(call.request_body),
        "response_body": texts.decode(call.response_body),
        "answer": words,
        "answer_digest": None if words is None else chat.digest(words),
        "other_answers": others or None,
        "other_digests": [chat.digest(text) for text in others] or None,
        "finish_reason": texts.clean(answer.finish_reason, 40),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "started_at": call.started_at,
        "first_byte_ms": call.first_byte_ms,
        "duration_ms": call.duration_ms,
        "client_request_id": texts.clean(call.client_request_id, 128),
        "user_agent": texts.clean(call.user_agent, 200),
        "own_id": texts.clean(call.own_id, 200),
        "tags": [texts.clean(tag, 50) for tag in call.tags],
        "masked_count": masked_count,
        "user_prompt": prompt and prompt.user_prompt,
        "context_digest": context,
        "messages": messages,
        "tools": _as_json(request.get("tools")),
        "answer_schema": _as_json(answer_schema(request.get("response_format"))),
    }
    values["is_cleaned"] = texts.were_cleaned
    return values


class _Texts:
    """Makes texts fit for the database and remembers whether any had to be changed."""

    def __init__(self) -> None:
        self.were_cleaned = False

    def clean(self, text: str, limit: int | None = None) -> str:
        cleaned, was_cleaned = chat.clean(text)
        self.were_cleaned |= was_cleaned
        return cleaned[:limit]

    def clean_value(self, value: Any) -> Any:
        cleaned, was_cleaned = chat.clean_value(value)
        self.were_cleaned |= was_cleaned
        return cleaned

    def decode(self, body: bytes) -> str:
        try:
            return self.clean(body.decode("utf-8"))
        except UnicodeDecodeError:
            self.were_cleaned = True
            return self.clean(body.decode("utf-8", "replace"))


def _answer_of(call: Call) -> chat.Answer:
    if not call.response_body:
        return chat.Answer()
    read = responses.read_answer if call.endpoint == responses.ENDPOINT else chat.read_answer
    return read(call.response_body, _is_stream(call))


def _is_stream(call: Call) -> bool:
    """Whether the answer is a stream of events. To who asked for one a refusal comes as one object all the same, and
    some providers take "true" for true.
    """
    start = call.response_body[:64].lstrip()
    if start.startswith((b"data:", b"event:", b":")):
        return True
    return call.is_stream and not start.startswith(b"{")


def _outcome(call: Call, answer: chat.Answer) -> str:
    """Clients hang up on a stream's last event and on an error in it, maybe before the provider closes: then the stream
    says how the call ended, not who closed first.
    """
    has_ended = _is_stream(call) and (answer.is_complete or answer.error_code)
    if call.outcome == Outcome.CLIENT_GONE and has_ended:
        return _judge(call, answer)
    return call.outcome or _judge(call, answer)


def _judge(call: Call, answer: chat.Answer) -> str:
    if (call.status_code or 200) >= 400 or answer.error_code:
        return Outcome.FAILED
    if answer.is_complete:
        return Outcome.COMPLETED
    return Outcome.TRUNCATED if call.is_stream else Outcome.FAILED


def _error_code(call: Call, answer: chat.Answer, outcome: str) -> str:
    if call.error_code or outcome != Outcome.FAILED:
        return call.error_code
    if answer.error_code == "invalid_answer" and (call.status_code or 200) >= 400:
        return f"http_{call.status_code}"  # an error page of something in between
    return answer.error_code or "no_answer"


def _prompt_of(call: Call, texts: _Texts) -> tuple[dict[str, Any], list[chat.Message] | None, chat.Prompt | None]:
    """The request, its messages, and the prompt in them; nothing where there is none that a person could review."""
    try:
        request = chat.parse_strict(call.request_body)
        if may_be_broken(call.request_body):
            request = texts.clean_value(request)
        if call.endpoint == responses.ENDPOINT:
            request = responses.as_chat(request)
        messages = chat.request_messages(request)
        return request, messages, chat.split_prompt(messages)
    except chat.ChatError:
        return {}, None, None


def _as_json(value: Any) -> str | None:
    return chat.canonical(value) if value else None
