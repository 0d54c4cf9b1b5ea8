"""/v1/webhook_endpoints: whom to tell that a job has ended, and the telling, signed as Standard Webhooks has it.

What is to be told is a row, written in the transaction that ends the job, so that no kill loses it. A message that is
not taken is sent again, later and later, for three days.
"""

import base64
import hmac
import http.client
import logging
import secrets
import sqlite3
import threading
from contextlib import closing
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.trainer.errors import ApiError, Json, not_found
from jobs.trainer.reading import Body, invalid, page_of, read_json, string
from jobs.trainer.store import OWNED, Facts, Store, insert, new_id, now

logger = logging.getLogger(__name__)

EVENT_TYPES = ("fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled")
MOST_ENDPOINTS = 16
TIMEOUT = 10.0  # seconds a receiver may take
FIRST_PAUSE, LONGEST_PAUSE, PATIENCE = 2, 3600, 72 * 3600  # seconds
LOOK_EVERY = 1.0


async def create(request: Request) -> Response:
    """A new endpoint. Its secret is in this answer and in no other."""
    body = await read_json(request)
    store: Store = request.app.state.store
    url = string(body, "url", most=2000, required=True)
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise invalid("url", url, "an address that begins with https:// or http://")
    facts = {
        "id": new_id("we_"),
        "created_at": now(),
        "updated_at": now(),
        "url": url,
        "name": string(body, "name", most=256, required=True),
        "event_types": _types(body),
        "secret": _new_secret(),
        "owner": request.state.owner,
    }
    await run_in_threadpool(_add, store, facts)
    return Json({**_shown(facts), "signing_secret": facts["secret"]})


def _add(store: Store, facts: Facts) -> None:
    """Counted and added in one transaction, so that two at once cannot both be the last."""
    with store.write() as db:
        ((count,),) = db.execute("SELECT count(*) FROM endpoints WHERE owner = ?", [facts["owner"]]).fetchall()
        if count >= MOST_ENDPOINTS:
            raise ApiError(400, f"There are {MOST_ENDPOINTS} webhook endpoints already.", code="too_many_endpoints")
        insert(db, "endpoints", facts)


def list_endpoints(request: Request) -> Response:
    """All endpoints of this key, newest first."""
    store: Store = request.app.state.store
    return page_of(request, store, "endpoints", OWNED, [request.state.owner], _shown, limit=20, most=100)


def retrieve(request: Request) -> Response:
    """One endpoint."""
    return Json(_shown(_find(request)))


def rotate(request: Request) -> Response:
    """Another secret from now on; what waits to be sent is signed with it too."""
    endpoint = _find(request)
    changed = {"secret": _new_secret(), "updated_at": now()}
    store: Store = request.app.state.store
    with store.write() as db:
        db.execute("UPDATE endpoints SET secret = ?, updated_at = ? WHERE id = ?", [*changed.values(), endpoint["id"]])
    return Json({**_shown({**endpoint, **changed}), "signing_secret": changed["secret"]})


def delete(request: Request) -> Response:
    """Remove an endpoint and what was still to be sent there."""
    endpoint = _find(request)
    store: Store = request.app.state.store
    with store.write() as db:
        db.execute("DELETE FROM deliveries WHERE endpoint_id = ?", [endpoint["id"]])
        db.execute("DELETE FROM endpoints WHERE id = ?", [endpoint["id"]])
    return Json({"id": endpoint["id"], "object": "webhook_endpoint.deleted", "deleted": True})


def announce(db: sqlite3.Connection, job_id: str, status: str) -> None:
    """Write down, in the transaction that ends a job, whom to tell of it."""
    kind = f"fine_tuning.job.{status}"
    if kind not in EVENT_TYPES:
        return
    endpoints = "SELECT endpoints.* FROM endpoints JOIN jobs ON jobs.owner = endpoints.owner WHERE jobs.id = ?"
    for endpoint in db.execute(endpoints, [job_id]).fetchall():
        if kind not in orjson.loads(endpoint["event_types"]):
            continue
        event = {"id": new_id("evt_"), "object": "event", "created_at": now(), "type": kind, "data": {"id": job_id}}
        message = {"endpoint_id": endpoint["id"], "created_at": now(), "next_at": now(), "attempts": 0}
        insert(db, "deliveries", {**message, "id": new_id("wh_"), "body": orjson.dumps(event).decode()})


class Sender:
    """A thread that sends what is due."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin sending."""
        self._thread.start()

    def stop(self) -> None:
        """End after the message under way."""
        self._stopping.set()
        self._thread.join(TIMEOUT + 1)

    def _work(self) -> None:
        while not self._stopping.is_set():
            due = self.store.row(
                "SELECT deliveries.*, url, secret FROM deliveries JOIN endpoints ON endpoints.id = endpoint_id "
                "WHERE next_at <= ? ORDER BY next_at",
                now(),
            )
            if due:
                self._send(due)
            else:
                self._stopping.wait(LOOK_EVERY)

    def _send(self, message: Facts) -> None:
        outcome = post(message)
        with self.store.write() as db:
            if outcome is None or now() - message["created_at"] > PATIENCE:
                db.execute("DELETE FROM deliveries WHERE id = ?", [message["id"]])
                logger.info("webhook %s %s", message["id"], "sent" if outcome is None else "given up")
                return
            pause = min(FIRST_PAUSE * 2 ** message["attempts"], LONGEST_PAUSE)
            db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, next_at = ? WHERE id = ?",
                [now() + pause, message["id"]],
            )
        logger.warning("webhook %s not taken (%s), again in %d s", message["id"], outcome, pause)


def post(message: Facts) -> str | None:
    """Send one message; None when it was taken, else what came instead. Redirects are not followed."""
    body, at = message["body"].encode(), str(now())
    headers = {
        "content-type": "application/json",
        "user-agent": "curation-trainer",
        "webhook-id": message["id"],
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{signature(message['secret'], message['id'], at, body)}",
    }
    parts = urlsplit(message["url"])
    try:
        with closing(_connection(parts)) as connection:
            connection.request("POST", f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, headers)
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__
    return None if 200 <= status < 300 else str(status)


def signature(secret: str, identity: str, at: str, body: bytes) -> str:
    """In base64, of `id.timestamp.body`, with the bytes that the secret stands for."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, b".".join([identity.encode(), at.encode(), body]), sha256)).decode()


def _connection(parts: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT)


def _types(body: Body) -> str:
    wanted = body.get("event_types")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(kind, str) for kind in wanted):
        raise invalid("event_types", wanted, f"a list of events, such as {EVENT_TYPES[0]}")
    return orjson.dumps(sorted(set(wanted))[:100]).decode()


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _find(request: Request) -> Facts:
    endpoint_id = request.path_params["id"]
    store: Store = request.app.state.store
    found = store.row(f"SELECT * FROM endpoints WHERE id = ? AND {OWNED}", endpoint_id, request.state.owner)  # noqa: S608
    if found is None:
        raise not_found("webhook endpoint", endpoint_id)
    return found


def _shown(endpoint: Facts) -> Body:
    shown: dict[str, Any] = {name: endpoint[name] for name in ("id", "created_at", "updated_at", "name", "url")}
    hint = f"whsec_…{endpoint['secret'][-5:-1]}"
    kinds = orjson.loads(endpoint["event_types"])
    return {**shown, "object": "webhook_endpoint", "event_types": kinds, "signing_secret_hint": hint}


ENDPOINT = "/v1/webhook_endpoints/{id}"
ROUTES = [
    Route("/v1/webhook_endpoints", create, methods=["POST"]),
    Route("/v1/webhook_endpoints", list_endpoints, methods=["GET"]),
    Route(ENDPOINT, retrieve, methods=["GET"]),
    Route(ENDPOINT, delete, methods=["DELETE"]),
    Route(f"{ENDPOINT}/rotate_secret", rotate, methods=["POST"]),
]
