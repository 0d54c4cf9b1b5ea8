"""OpenAI's description of its protocol, as the official client carries it: what may be sent and what must come back.

The client's types are made from OpenAI's OpenAPI description. The client itself checks nothing; here each request is
held against the type of its parameters (no key the description lacks) and each answer against the type it should have.
"""

import json
import re
from functools import cache
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import httpx2
from openai.types import (
    FileDeleted,
    FileObject,
    Model,
    ModelDeleted,
    ModerationCreateResponse,
    Upload,
    file_create_params,
    file_list_params,
    moderation_create_params,
    upload_complete_params,
    upload_create_params,
)
from openai.types.chat import ChatCompletion, ChatCompletionChunk, completion_create_params, completion_list_params
from openai.types.chat.completions import message_list_params
from openai.types.fine_tuning import (
    FineTuningJob,
    FineTuningJobEvent,
    job_create_params,
    job_list_events_params,
    job_list_params,
)
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint, checkpoint_list_params
from openai.types.uploads import UploadPart, part_create_params
from openai.types.webhooks import (
    DeletedWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointWithSecret,
    webhook_create_params,
)
from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

JOB = r"/fine_tuning/jobs/[^/]+"
# What a call is answered with; a list stands for a page of them.
ANSWERS: list[tuple[str, str, Any]] = [
    ("POST", r"/files", FileObject),
    ("GET", r"/files", [FileObject]),
    ("GET", r"/files/[^/]+", FileObject),
    ("DELETE", r"/files/[^/]+", FileDeleted),
    ("POST", r"/uploads", Upload),
    ("POST", r"/uploads/[^/]+/parts", UploadPart),
    ("POST", r"/uploads/[^/]+/(complete|cancel)", Upload),
    ("POST", r"/fine_tuning/jobs", FineTuningJob),
    ("GET", r"/fine_tuning/jobs", [FineTuningJob]),
    ("GET", JOB, FineTuningJob),
    ("POST", rf"{JOB}/(cancel|pause|resume)", FineTuningJob),
    ("GET", rf"{JOB}/events", [FineTuningJobEvent]),
    ("GET", rf"{JOB}/checkpoints", [FineTuningJobCheckpoint]),
    ("GET", r"/models", [Model]),
    ("GET", r"/models/.+", Model),
    ("DELETE", r"/models/.+", ModelDeleted),
    ("POST", r"/chat/completions", ChatCompletion),
    ("POST", r"/moderations", ModerationCreateResponse),
    ("POST", r"/webhook_endpoints", WebhookEndpointWithSecret),
    ("POST", r"/webhook_endpoints/[^/]+/rotate_secret", WebhookEndpointWithSecret),
    ("GET", r"/webhook_endpoints", [WebhookEndpoint]),
    ("GET", r"/webhook_endpoints/[^/]+", WebhookEndpoint),
    ("DELETE", r"/webhook_endpoints/[^/]+", DeletedWebhookEndpoint),
]
REQUESTS: list[tuple[str, Any]] = [
    (r"/fine_tuning/jobs", job_create_params.JobCreateParams),
    (r"/uploads", upload_create_params.UploadCreateParams),
    (r"/uploads/[^/]+/complete", upload_complete_params.UploadCompleteParams),
    (r"/chat/completions", completion_create_params.CompletionCreateParamsNonStreaming),
    (r"/moderations", moderation_create_params.ModerationCreateParams),
    (r"/webhook_endpoints", webhook_create_params.WebhookCreateParams),
]
# Sent as forms: what their fields may be.
FORMS: list[tuple[str, Any]] = [
    (r"/files", file_create_params.FileCreateParams),
    (r"/uploads/[^/]+/parts", part_create_params.PartCreateParams),
]
# What may stand behind the question mark; behind that of any other address, nothing.
QUERIES: list[tuple[str, Any]] = [
    (r"/chat/completions", completion_list_params.CompletionListParams),
    (r"/chat/completions/[^/]+/messages", message_list_params.MessageListParams),
    (r"/files", file_list_params.FileListParams),
    (r"/fine_tuning/jobs", job_list_params.JobListParams),
    (rf"{JOB}/events", job_list_events_params.JobListEventsParams),
    (rf"{JOB}/checkpoints", checkpoint_list_params.CheckpointListParams),
]
# The protocol's documents have them, the description's list of words does not yet.
LATER_STATUSES = ("pausing", "paused")


def fault_in_request(method: str, path: str, query: str, content_type: str, body: Any) -> str:
    """What the description does not know in a request: its address, the fields of a form, the keys of a JSON body.
    Empty when it is right. `body` is parsed where the content type says JSON, else bytes.
    """
    asked = [name.partition("[")[0] for name in parse_qs(query)]
    unknown = sorted(set(asked) - set(_hints(QUERIES if method == "GET" else [], path)))
    if content_type.startswith("multipart/form-data"):
        unknown += sorted(_fields(body) - set(_hints(FORMS, path)))
    elif isinstance(body, dict):
        if fault := _fault_in_json(path, body):
            return f"{method} {path}: {fault}"
    elif body:
        unknown.append(f"a body of {content_type or 'no type'}")
    return f"{method} {path} sends {unknown}, which the description lacks" if unknown else ""


def _fault_in_json(path: str, body: dict[str, Any]) -> str:
    kind = _kind_of(REQUESTS, path)
    if kind is None:
        return "" if not body else "no JSON is described for it"
    if kind is completion_create_params.CompletionCreateParamsNonStreaming and body.get("stream"):
        kind = completion_create_params.CompletionCreateParamsStreaming
    try:
        _adapter(kind).validate_python(body, strict=True)
    except ValidationError as error:
        return str(error)
    extra = _unknown_keys(body, kind)
    return f"{extra} are not described" if extra else ""


def _kind_of(table: list[tuple[str, Any]], path: str) -> Any:
    return next((kind for pattern, kind in table if re.fullmatch(pattern, path)), None)


def _hints(table: list[tuple[str, Any]], path: str) -> dict[str, Any]:
    kind = _kind_of(table, path)
    return get_type_hints(kind) if kind else {}


def _fields(form: bytes) -> set[str]:
    """The names of a form's fields; `expires_after[anchor]` is a part of `expires_after`."""
    return {name.decode().partition("[")[0] for name in re.findall(rb'form-data;[^\r\n]*? name="([^"]*)"', form)}


def fault_in_answer(method: str, path: str, status: int, raw: bytes, content_type: str) -> str:
    """What an answer lacks or has otherwise than described; empty when it is right."""
    try:
        if status >= 400:
            return _fault_in_error(raw)
        if content_type.startswith("text/event-stream"):
            for line in raw.split(b"\n\n"):
                if line and line != b"data: [DONE]":
                    ChatCompletionChunk.model_validate_json(line.removeprefix(b"data: "), strict=True)
            return ""
        if content_type.startswith("application/json"):
            _check(next(kind for verb, pattern, kind in ANSWERS if verb == method and re.fullmatch(pattern, path)), raw)
    except (ValidationError, StopIteration, ValueError, AssertionError) as error:
        return f"{method} {path} answers otherwise than described: {error!r}"
    return ""


def watched(faults: list[str]) -> httpx2.Client:
    """An HTTP client for the official client, which notes the faults of everything that goes over it."""

    def look(answer: httpx2.Response) -> None:
        request, path = answer.request, answer.request.url.path.removeprefix("/v1")
        raw = answer.read()
        fault = fault_in_answer(request.method, path, answer.status_code, raw, answer.headers.get("content-type", ""))
        if fault and answer.status_code != 413:
            faults.append(fault)

    return httpx2.Client(event_hooks={"response": [look]}, timeout=120, follow_redirects=False)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _check(kind: Any, raw: bytes) -> None:
    value = json.loads(raw)
    if isinstance(kind, list):
        assert value["object"] == "list"
        assert isinstance(value.get("has_more", False), bool)
        for item in value["data"]:
            _check_one(kind[0], item)
    else:
        _check_one(kind, value)


def _check_one(kind: type[BaseModel], value: dict[str, Any]) -> None:
    if kind is FineTuningJob and value["status"] in LATER_STATUSES:
        value = {**value, "status": "running"}
    kind.model_validate_json(json.dumps(value), strict=True)
    missing = [name for name, field in kind.model_fields.items() if field.is_required() and name not in value]
    assert not missing, missing


def _fault_in_error(raw: bytes) -> str:
    error = json.loads(raw)["error"]
    has_words = isinstance(error.get("message"), str) and isinstance(error.get("type"), str)
    if set(error) != {"message", "type", "param", "code"} or not has_words:
        return f"an error has another shape: {sorted(error)}"
    return ""


def _unknown_keys(value: dict[str, Any], kind: Any) -> list[str]:
    """Keys, at any depth, that the type of these parameters lacks."""
    hints = get_type_hints(kind, include_extras=False)
    unknown = [key for key in value if key not in hints]
    for key, inner in value.items():
        for each in inner if isinstance(inner, list) else [inner]:
            if isinstance(each, dict) and key in hints:
                kinds = [option for option in _options(hints[key]) if is_typeddict(option)]
                unknown += min((_unknown_keys(each, option) for option in kinds), key=len, default=[])
    return unknown


def _options(hint: Any) -> list[Any]:
    if get_origin(hint) in (Required, NotRequired):
        return _options(get_args(hint)[0])
    return [option for part in get_args(hint) for option in _options(part)] if get_args(hint) else [hint]
