"""/v1/models: the base models and the tuned ones."""

import logging
import shutil

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobs.trainer.engines import base_models
from jobs.trainer.errors import ApiError, Json, shown
from jobs.trainer.reading import Body
from jobs.trainer.store import OWNED, Facts, Store

logger = logging.getLogger(__name__)

BASE_SINCE = 1_767_225_600  # 2026-01-01, when the first engine was written


def list_models(request: Request) -> Response:
    """Base models, then tuned ones, newest first. Checkpoints are listed with their job."""
    mine = f"SELECT * FROM models WHERE is_checkpoint = 0 AND {OWNED} ORDER BY created_at DESC, id"  # noqa: S608
    rows = request.app.state.store.rows(mine, request.state.owner)
    return Json({"object": "list", "data": [*map(_base, base_models()), *map(_tuned, rows)]})


def retrieve(request: Request) -> Response:
    """One model, also a checkpoint."""
    name = request.path_params["name"]
    return Json(_base(name) if name in base_models() else _tuned(_find(request)))


def delete(request: Request) -> Response:
    """Remove a tuned model or a checkpoint for good."""
    name = request.path_params["name"]
    if name in base_models():
        raise ApiError(403, f"The base model '{name}' cannot be deleted.", param="model", code="base_model")
    row = _find(request)
    store: Store = request.app.state.store
    with store.write() as db:
        db.execute("DELETE FROM models WHERE id = ?", [name])
    request.app.state.shelf.drop(name)
    shutil.rmtree(store.models / row["folder"], ignore_errors=True)
    logger.info("model %s deleted", name)
    return Json({"id": name, "object": "model", "deleted": True})


def _find(request: Request) -> Facts:
    return find(request.app.state.store, request.path_params["name"], request.state.owner)


def find(store: Store, name: str, owner: str) -> Facts:
    """A tuned model's row, if this owner has it. Raises ApiError 404."""
    row = store.row(f"SELECT * FROM models WHERE id = ? AND {OWNED}", name, owner)  # noqa: S608
    if row is None:
        message = f"The model {shown(name)} does not exist or you do not have access to it."
        raise ApiError(404, message, param="model", code="model_not_found")
    return row


def _base(name: str) -> Body:
    return _model(name, BASE_SINCE, "system")


def _tuned(row: Facts) -> Body:
    return _model(row["id"], row["created_at"], "local")


def _model(name: str, created: int, owner: str) -> Body:
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "shutdown_date": None}


ROUTES = [
    Route("/v1/models", list_models, methods=["GET"]),
    Route("/v1/models/{name:path}", retrieve, methods=["GET"]),
    Route("/v1/models/{name:path}", delete, methods=["DELETE"]),
]
