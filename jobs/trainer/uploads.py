"""/v1/uploads: a file too large for one request comes in parts, and is a file once they are put together."""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.trainer import files
from jobs.trainer.errors import ApiError, Json, not_found
from jobs.trainer.reading import Body, invalid, read_json, string, whole
from jobs.trainer.store import OWNED, Facts, Store, insert, new_id, now

logger = logging.getLogger(__name__)

LARGEST = 8 * 1024**3
LARGEST_PART = 64 * 1024 * 1024
MOST_PARTS = 1024
LIFE = 3600  # seconds after its creation an upload that is not complete is gone


async def create(request: Request) -> Response:
    """Announce a file: its name, purpose and size."""
    body = await read_json(request)
    store: Store = request.app.state.store
    size = whole(body, "bytes", 1, LARGEST)
    if size is None:
        raise ApiError(400, "Missing required parameter: 'bytes'.", param="bytes", code="missing_required_parameter")
    name = string(body, "filename", most=files.LONGEST_NAME, required=True)
    kind = string(body, "mime_type", most=200, required=True)
    purpose = files.checked_purpose(body.get("purpose"))
    files.check_name(str(name), purpose)
    facts = {
        "id": new_id("upload_"),
        "created_at": now(),
        "expires_at": now() + LIFE,
        "filename": name,
        "purpose": purpose,
        "mime_type": kind,
        "bytes": size,
        "status": "pending",
        "owner": request.state.owner,
    }
    await run_in_threadpool(forget_expired, store)
    with store.write() as db:
        insert(db, "uploads", facts)
    return Json(_shown(facts, None))


async def add_part(request: Request) -> Response:
    """Keep one part. Parts may come in any order and at the same time; their order is told at the end."""
    upload = _pending(request)
    async with request.form(max_files=1, max_fields=4) as form:
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise ApiError(400, "'data' is a required property", param="data", code="missing_required_parameter")
        if not data.size or data.size > LARGEST_PART:
            raise ApiError(400, f"A part has 1 to {LARGEST_PART} bytes.", param="data")
        facts = await run_in_threadpool(_keep_part, request.app.state.store, upload, data.file, data.size)
    return Json(
        {"id": facts["id"], "object": "upload.part", "created_at": facts["created_at"], "upload_id": upload["id"]}
    )


async def complete(request: Request) -> Response:
    """Put the parts together in the order given; what comes out is checked like any uploaded file."""
    body = await read_json(request)
    upload = _pending(request)
    parts = body.get("part_ids")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) for part in parts):
        raise invalid("part_ids", parts, "a list of the parts' ids")
    digest = string(body, "md5", most=64)
    file = await run_in_threadpool(_join, request.app.state.store, upload, parts, digest)
    logger.info("upload %s completed as %s", upload["id"], file["id"])
    return Json(_shown({**upload, "status": "completed"}, file))


def cancel(request: Request) -> Response:
    """Drop the parts; none may be added any more."""
    upload = _pending(request)
    store: Store = request.app.state.store
    with store.write() as db:
        db.execute("UPDATE uploads SET status = 'cancelled' WHERE id = ? AND status = 'pending'", [upload["id"]])
    shutil.rmtree(store.uploads / upload["id"], ignore_errors=True)
    return Json(_shown({**upload, "status": "cancelled"}, None))


def forget_expired(store: Store) -> None:
    """Drop the parts of uploads whose time is over."""
    late = store.rows("SELECT id FROM uploads WHERE status = 'pending' AND expires_at < ?", now())
    for row in late:
        with store.write() as db:
            db.execute("UPDATE uploads SET status = 'expired' WHERE id = ? AND status = 'pending'", [row["id"]])
        shutil.rmtree(store.uploads / row["id"], ignore_errors=True)


def _pending(request: Request) -> Facts:
    upload_id = request.path_params["id"]
    store: Store = request.app.state.store
    upload = store.row(f"SELECT * FROM uploads WHERE id = ? AND {OWNED}", upload_id, request.state.owner)  # noqa: S608
    if upload is None:
        raise not_found("Upload", upload_id)
    if upload["status"] == "pending" and upload["expires_at"] < now():
        upload["status"] = "expired"
    if upload["status"] != "pending":
        raise ApiError(400, f"The upload {upload_id} is {upload['status']}.", code="upload_not_pending")
    return upload


def _keep_part(store: Store, upload: Facts, source: BinaryIO, size: int) -> Facts:
    folder = store.uploads / upload["id"]
    folder.mkdir(exist_ok=True)
    facts = {"id": new_id("part_"), "created_at": now(), "upload_id": upload["id"], "bytes": size}
    try:
        with (folder / facts["id"]).open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        with store.write() as db:
            known = db.execute(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM parts WHERE upload_id = ?", [upload["id"]]
            ).fetchone()
            if known[0] >= MOST_PARTS or known[1] + size > upload["bytes"] * 2:
                raise ApiError(400, "There are more parts than the announced size needs.", param="data")
            insert(db, "parts", facts)
    except (OSError, ApiError):
        (folder / facts["id"]).unlink(missing_ok=True)
        raise
    return facts


def _join(store: Store, upload: Facts, part_ids: list[str], digest: str | None) -> Facts:
    folder = store.uploads / upload["id"]
    known = {row["id"] for row in store.rows("SELECT id FROM parts WHERE upload_id = ?", upload["id"])}
    if unknown := [part for part in part_ids if part not in known]:
        raise invalid("part_ids", unknown[0], "ids of this upload's parts")
    whole_file = folder / "whole"
    _write_together([folder / part for part in part_ids], whole_file, upload, digest)
    with whole_file.open("rb") as stream:
        files.check_content(stream, upload["purpose"])
        stream.seek(0)
        file = {**store.keep_contents(stream, upload["filename"], upload["purpose"]), "owner": upload["owner"]}
    with store.write() as db:
        taken = db.execute(
            "UPDATE uploads SET status = 'completed', file_id = ? WHERE id = ? AND status = 'pending'",
            [file["id"], upload["id"]],
        )
        if taken.rowcount:
            insert(db, "files", file)
    if not taken.rowcount:  # completed or cancelled at the same moment
        (store.files / file["id"]).unlink()
        raise ApiError(400, f"The upload {upload['id']} is not pending any more.", code="upload_not_pending")
    shutil.rmtree(folder, ignore_errors=True)
    return file


def _write_together(parts: list[Path], target: Path, upload: Facts, digest: str | None) -> None:
    """One file of all parts, if it has the announced size and digest."""
    found, size = hashlib.md5(usedforsecurity=False), 0
    with target.open("wb") as file:
        for part in parts:
            with part.open("rb") as source:
                while piece := source.read(1 << 20):
                    found.update(piece)
                    size += len(piece)
                    file.write(piece)
    if size != upload["bytes"]:
        message = f"The parts have {size} bytes together; {upload['bytes']} were announced."
        raise ApiError(400, message, param="part_ids", code="bytes_mismatch")
    if digest is not None and digest.lower() != found.hexdigest():
        raise ApiError(400, "The MD5 of the parts together is not the one given.", param="md5", code="md5_mismatch")


def _shown(upload: Facts, file: Facts | None) -> Body:
    shown: dict[str, Any] = {name: upload[name] for name in ("id", "bytes", "created_at", "expires_at", "filename")}
    shown |= {"object": "upload", "purpose": upload["purpose"], "status": upload["status"]}
    return {**shown, "file": files.shown_file(file) if file else None}


UPLOAD = "/v1/uploads/{id}"
ROUTES = [
    Route("/v1/uploads", create, methods=["POST"]),
    Route(f"{UPLOAD}/parts", add_part, methods=["POST"]),
    Route(f"{UPLOAD}/complete", complete, methods=["POST"]),
    Route(f"{UPLOAD}/cancel", cancel, methods=["POST"]),
]
