"""/v1/files: files come in, training files after a first look; result files go out. Each key has its own."""

import logging
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from jobs.trainer.errors import ApiError, Json, not_found
from jobs.trainer.reading import Body, invalid, page_of
from jobs.trainer.store import OWNED, Facts, Store, insert, now
from jobs.trainer.validation import Broken, parse_line

logger = logging.getLogger(__name__)

LARGEST = 512 * 1024 * 1024
LONGEST_NAME = 255
# Only those to train on are looked into; the others are kept for whoever put them here.
PURPOSES = ("fine-tune", "assistants", "batch", "vision", "user_data", "evals")
SHORTEST_LIFE, LONGEST_LIFE = 3600, 2_592_000  # seconds
# The condition under which a file is there for a key; takes the owner and the time.
THERE = f"{OWNED} AND (expires_at IS NULL OR expires_at > ?)"


async def create(request: Request) -> Response:
    """Store an uploaded file after a first look: JSONL only, every line a JSON object."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(400, "Send the file as multipart/form-data with the parts 'file' and 'purpose'.")
    async with request.form(max_files=1, max_fields=10) as form:
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, UploadFile):
            raise ApiError(400, "'file' is a required property", param="file", code="missing_required_parameter")
        checked = {"purpose": checked_purpose(purpose), "expires_at": _expiry(form), "owner": request.state.owner}
        facts = await run_in_threadpool(_keep, request.app.state.store, upload, checked)
    logger.info("file %s stored, %d bytes", facts["id"], facts["bytes"])
    return Json(shown_file(facts))


def list_files(request: Request) -> Response:
    """All files, newest first unless `order=asc`; `purpose` narrows the list."""
    purpose = request.query_params.get("purpose")
    where, values = THERE, [request.state.owner, now()]
    if purpose:
        where, values = f"{where} AND purpose = ?", [*values, purpose]
    return page_of(request, request.app.state.store, "files", where, values, shown_file, limit=10_000, most=10_000)


def retrieve(request: Request) -> Response:
    """One file's facts."""
    return Json(shown_file(_find(request)))


def content(request: Request) -> Response:
    """One file's bytes."""
    facts = _find(request)
    path = request.app.state.store.files / facts["id"]
    kind = "text/csv" if facts["purpose"] == "fine-tune-results" else "application/octet-stream"
    return FileResponse(path, media_type=kind, filename=facts["filename"])


def delete(request: Request) -> Response:
    """Remove a file, row first. A job that has not read it yet fails and says so."""
    facts = _find(request)
    store: Store = request.app.state.store
    with store.write() as db:
        db.execute("DELETE FROM files WHERE id = ?", [facts["id"]])
    (store.files / facts["id"]).unlink(missing_ok=True)
    logger.info("file %s deleted", facts["id"])
    return Json({"id": facts["id"], "object": "file", "deleted": True})


def find(store: Store, file_id: str, owner: str) -> Facts | None:
    """The file's row, if it is there for this owner."""
    return store.row(f"SELECT * FROM files WHERE id = ? AND {THERE}", file_id, owner, now())  # noqa: S608


def checked_purpose(purpose: object) -> str:
    """A purpose the protocol knows. Raises ApiError 400."""
    if purpose not in PURPOSES:
        raise invalid("purpose", purpose, f"one of {', '.join(map(repr, PURPOSES))}")
    return str(purpose)


def check_name(name: str, purpose: str) -> None:
    """Only JSONL is trained on: weights, adapters and archives are never taken from outside. Raises ApiError 400."""
    if purpose == "fine-tune" and not name.lower().endswith(".jsonl"):
        raise ApiError(400, "Invalid file format. Training files must be .jsonl files.", param="file")


def check_content(lines: Iterable[bytes], purpose: str) -> None:
    """A first look at a file to train on: each line a JSON object. Raises ApiError 400 with the line's number."""
    for number, line in enumerate(lines if purpose == "fine-tune" else (), 1):
        try:
            parse_line(line, number)
        except Broken as broken:
            message = (
                f"Expected file to have JSONL format, where every line is a JSON dictionary. Line {number}{broken}"
            )
            raise ApiError(400, message, param="file", code="invalid_file_format") from None


def _keep(store: Store, upload: UploadFile, checked: Facts) -> Facts:
    name = (upload.filename or "")[-LONGEST_NAME:]
    check_name(name, checked["purpose"])
    if not upload.size:
        raise ApiError(400, "The file is empty.", param="file")
    if upload.size > LARGEST:
        raise ApiError(413, f"The file is larger than {LARGEST} bytes.", param="file", code="file_too_large")
    check_content(upload.file, checked["purpose"])
    upload.file.seek(0)
    facts = {**store.keep_contents(upload.file, name, checked["purpose"]), **checked}
    with store.write() as db:
        insert(db, "files", facts)
    return facts


def _expiry(form: FormData) -> int | None:
    """When the file is to be gone, from `expires_after[anchor]` and `expires_after[seconds]`."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise invalid("expires_after.anchor", anchor, "'created_at'")
    text = str(seconds)
    if not (text.isascii() and text.isdigit() and SHORTEST_LIFE <= int(text[:12]) <= LONGEST_LIFE):
        raise invalid("expires_after.seconds", seconds, f"a whole number from {SHORTEST_LIFE} to {LONGEST_LIFE}")
    return now() + int(text)


def _find(request: Request) -> Facts:
    file_id = request.path_params["id"]
    facts = find(request.app.state.store, file_id, request.state.owner)
    if facts is None:
        raise not_found("File object", file_id)
    return facts


def shown_file(facts: Facts) -> Body:
    return {
        "object": "file",
        "id": facts["id"],
        "bytes": facts["bytes"],
        "created_at": facts["created_at"],
        "filename": facts["filename"],
        "purpose": facts["purpose"],
        "status": "processed",
        "status_details": None,
        "expires_at": facts.get("expires_at"),
    }


ROUTES = [
    Route("/v1/files", create, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{id}", retrieve, methods=["GET"]),
    Route("/v1/files/{id}", delete, methods=["DELETE"]),
    Route("/v1/files/{id}/content", content, methods=["GET"]),
]
