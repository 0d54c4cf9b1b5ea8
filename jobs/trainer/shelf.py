"""Models ready to answer: the few used last stay in memory, the others wait in their folders."""

import threading
from collections import OrderedDict

from jobs.trainer.engines import base_models, engine_of
from jobs.trainer.engines.base import EngineMissing, Model
from jobs.trainer.errors import ApiError, shown
from jobs.trainer.store import Store

KEPT = 4


class Shelf:
    """Loads models by name. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._mutex = threading.Lock()
        self._models: OrderedDict[str, Model] = OrderedDict()

    def take(self, name: str) -> Model:
        """The model of that name. Raises ApiError 404 when there is none, or none any more."""
        row = self.store.row("SELECT * FROM models WHERE id = ?", name)
        base = row["base"] if row else name
        if base not in base_models():
            raise _unknown(name, base if row else None)
        with self._mutex:
            if name not in self._models:
                folder = self.store.models / row["folder"] if row else None
                try:
                    self._keep(name, engine_of(base).load(folder))
                except EngineMissing as missing:
                    raise ApiError(503, str(missing), param="model", code="engine_missing") from None
            self._models.move_to_end(name)
            return self._models[name]

    def put(self, name: str, model: Model) -> None:
        """A model that is loaded already."""
        with self._mutex:
            self._keep(name, model)

    def drop(self, name: str) -> None:
        """Forget a deleted model."""
        with self._mutex:
            self._models.pop(name, None)

    def _keep(self, name: str, model: Model) -> None:
        self._models[name] = model
        while len(self._models) > KEPT:
            self._models.popitem(last=False)


def _unknown(name: str, base: str | None) -> ApiError:
    if base:
        message = f"The model {shown(name)} was tuned from {base}, which this trainer does not offer at the moment."
    else:
        message = f"The model {shown(name)} does not exist or you do not have access to it."
    return ApiError(404, message, param="model", code="model_not_found")
