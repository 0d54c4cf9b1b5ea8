"""/v1/fine_tuning/jobs: order a training, follow it, end it."""

import re
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.trainer import ledger
from jobs.trainer.errors import ApiError, Json, not_found
from jobs.trainer.orders import order_of, unknown_parameters
from jobs.trainer.reading import Body, page_of, read_json
from jobs.trainer.store import OWNED, Facts, Store

METADATA_FILTER = re.compile(r"metadata\[(.+)\]", re.DOTALL)
HAS_PAIR = "EXISTS (SELECT 1 FROM json_each(metadata) AS pair WHERE pair.key = ? AND pair.value = ?)"


async def create(request: Request) -> Response:
    """A new job; it is checked and trained in the background."""
    body = await read_json(request)
    return Json(await run_in_threadpool(_create, request, body))


def _create(request: Request, body: Body) -> Body:
    store: Store = request.app.state.store
    job = ledger.create(store, order_of(body, store, request.state.owner))
    if ignored := unknown_parameters(body):
        ledger.note(
            store, job["id"], f"Ignored {len(ignored)} unknown parameter(s), the first: {ignored[0]:.40}", "warn"
        )
    if job["integrations"]:
        ledger.note(store, job["id"], "This trainer reports to its own events only, not to integrations.", "warn")
    request.app.state.queue.nudge()
    return _shown(job)


def list_jobs(request: Request) -> Response:
    """Jobs, newest first; `metadata[key]=value` keeps those with all these pairs, `metadata=null` those without any."""
    conditions, values = [OWNED], [request.state.owner]
    for name, value in request.query_params.multi_items():
        if name == "metadata" and value == "null":
            conditions.append("metadata IS NULL")
        elif match := METADATA_FILTER.fullmatch(name):
            conditions.append(HAS_PAIR)
            values += [match[1], value]
    where = " AND ".join(conditions)
    return page_of(request, request.app.state.store, "jobs", where, values, _shown, limit=20, most=100)


def retrieve(request: Request) -> Response:
    """One job."""
    return Json(_shown(_find(request)))


def cancel(request: Request) -> Response:
    """End a job that has not ended. Raises 400 when it has."""
    job = _find(request)
    if not request.app.state.queue.cancel(job["id"]):
        job = _find(request)
        raise ApiError(
            400, f"Job has already completed: {job['id']} is {job['status']}.", param="id", code="job_not_open"
        )
    return Json(_shown(_find(request)))


def pause(request: Request) -> Response:
    """Put down a job that waits or runs. Raises 400 for any other."""
    job = _find(request)
    if not request.app.state.queue.pause(job["id"]):
        raise _not_now(request, "paused")
    return Json(_shown(_find(request)))


def resume(request: Request) -> Response:
    """Queue a paused job again. Raises 400 for any other."""
    job = _find(request)
    if not request.app.state.queue.resume(job["id"]):
        raise _not_now(request, "resumed")
    return Json(_shown(_find(request)))


def _not_now(request: Request, verb: str) -> ApiError:
    job = _find(request)
    return ApiError(400, f"Job {job['id']} is {job['status']} and cannot be {verb}.", param="id", code="invalid_state")


def events(request: Request) -> Response:
    """What happened to a job, newest first."""
    job = _find(request)
    where = "job_id = ?"
    return page_of(request, request.app.state.store, "events", where, [job["id"]], _event, limit=20, most=1000)


def checkpoints(request: Request) -> Response:
    """The models as they stood after the last passes, newest first."""
    job = _find(request)
    where = "job_id = ?"
    return page_of(request, request.app.state.store, "checkpoints", where, [job["id"]], _checkpoint, limit=10, most=100)


def _find(request: Request) -> Facts:
    job_id = request.path_params["id"]
    store: Store = request.app.state.store
    job = store.row(f"SELECT * FROM jobs WHERE id = ? AND {OWNED}", job_id, request.state.owner)  # noqa: S608
    if job is None:
        raise not_found("fine-tuning job", job_id)
    return job


def _shown(job: Facts) -> Body:
    hyperparameters = orjson.loads(job["hyperparameters"])
    return {
        "object": "fine_tuning.job",
        "id": job["id"],
        "created_at": job["created_at"],
        "finished_at": job["finished_at"],
        "estimated_finish": job["estimated_finish"],
        "status": job["status"],
        "model": job["model"],
        "fine_tuned_model": job["fine_tuned_model"],
        "organization_id": "local",
        "training_file": job["training_file"],
        "validation_file": job["validation_file"],
        "result_files": [job["result_file"]] if job["result_file"] else [],
        "trained_tokens": job["trained_tokens"],
        "error": _loaded(job["error"]),
        "seed": job["seed"],
        "user_provided_suffix": job["suffix"],
        "hyperparameters": hyperparameters,
        "method": {"type": job["method"], job["method"]: {"hyperparameters": hyperparameters}},
        "metadata": _loaded(job["metadata"]),
        "integrations": _loaded(job["integrations"]) or [],
    }


def _event(event: Facts) -> Body:
    return {
        "object": "fine_tuning.job.event",
        "id": event["id"],
        "created_at": event["created_at"],
        "level": event["level"],
        "type": event["type"],
        "message": event["message"],
        "data": _loaded(event["data"]) or {},
    }


def _checkpoint(checkpoint: Facts) -> Body:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": checkpoint["id"],
        "created_at": checkpoint["created_at"],
        "fine_tuning_job_id": checkpoint["job_id"],
        "fine_tuned_model_checkpoint": checkpoint["model"],
        "step_number": checkpoint["step"],
        "metrics": _loaded(checkpoint["metrics"]),
    }


def _loaded(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


JOB = "/v1/fine_tuning/jobs/{id}"
ROUTES = [
    Route("/v1/fine_tuning/jobs", create, methods=["POST"]),
    Route("/v1/fine_tuning/jobs", list_jobs, methods=["GET"]),
    Route(JOB, retrieve, methods=["GET"]),
    Route(f"{JOB}/cancel", cancel, methods=["POST"]),
    Route(f"{JOB}/pause", pause, methods=["POST"]),
    Route(f"{JOB}/resume", resume, methods=["POST"]),
    Route(f"{JOB}/events", events, methods=["GET"]),
    Route(f"{JOB}/checkpoints", checkpoints, methods=["GET"]),
]
