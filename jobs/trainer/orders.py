"""What a fine-tuning job may ask for: every parameter of its creation checked against the documented limits."""

import secrets
from math import inf
from typing import Any

import orjson

from jobs.trainer import files
from jobs.trainer.engines import base_models, engine_of
from jobs.trainer.errors import ApiError, not_found, shown
from jobs.trainer.reading import Body, invalid, string, unsupported, whole
from jobs.trainer.store import Facts, Store

KNOWN = {
    "model",
    "training_file",
    "validation_file",
    "method",
    "hyperparameters",
    "suffix",
    "seed",
    "metadata",
    "integrations",
}
HIGHEST_SEED = 2**31 - 1


def order_of(body: Body, store: Store, owner: str) -> Facts:
    """The columns of a new job. Raises ApiError 400 for the first thing that is wrong."""
    model = string(body, "model", most=256, required=True)
    if model not in base_models():
        message = f"Model {shown(model)} is not available for fine-tuning or does not exist."
        raise ApiError(
            400, f"{message} Available: {', '.join(base_models())}.", param="model", code="model_not_available"
        )
    method, values, prefix = _method(body, model)
    seed = whole(body, "seed", 0, HIGHEST_SEED)
    return {
        "model": model,
        "training_file": _file(body, "training_file", store, owner, required=True),
        "validation_file": _file(body, "validation_file", store, owner),
        "suffix": string(body, "suffix", most=64),
        "seed": secrets.randbelow(HIGHEST_SEED) if seed is None else seed,
        "hyperparameters": orjson.dumps(_hyperparameters(method, values, prefix)).decode(),
        "method": method,
        "integrations": _integrations(body.get("integrations")),
        "owner": owner,
        "metadata": _metadata(body.get("metadata")),
    }


def unknown_parameters(body: Body) -> list[str]:
    """Parameters nobody here knows; a job says that it ignores them."""
    return sorted(body.keys() - KNOWN)


def _file(body: Body, param: str, store: Store, owner: str, required: bool = False) -> str | None:
    file_id = string(body, param, most=256, required=required)
    if file_id is None:
        return None
    facts = files.find(store, file_id, owner)
    if facts is None:
        error = not_found("File object", file_id, param)
        error.status = 400
        raise error
    if facts["purpose"] != "fine-tune":
        raise ApiError(400, f"File '{file_id}' must have the purpose 'fine-tune'.", param=param)
    return file_id


def _hyperparameters(method: str, values: Body, prefix: str) -> dict[str, Any]:
    known = ["n_epochs", "batch_size", "learning_rate_multiplier", *(["beta"] if method == "dpo" else [])]
    if extra := values.keys() - set(known):
        raise unsupported(f"{prefix}.{min(extra)}", f"Known are {', '.join(known)}.")
    chosen: dict[str, Any] = {
        "n_epochs": _auto_or_whole(values, "n_epochs", 50, prefix),
        "batch_size": _auto_or_whole(values, "batch_size", 256, prefix),
        "learning_rate_multiplier": _auto_or_positive(values, "learning_rate_multiplier", prefix),
    }
    if method == "dpo":
        chosen["beta"] = _auto_or_positive(values, "beta", prefix, most=2)
    return chosen


def _method(body: Body, model: str) -> tuple[str, Body, str]:
    """The method, its hyperparameters (from `method` or from the older top-level place) and the name of that place."""
    method = body.get("method")
    if method is None:
        return "supervised", _object(body.get("hyperparameters"), "hyperparameters"), "hyperparameters"
    if not isinstance(method, dict):
        raise invalid("method", method, "an object with a 'type'")
    kind = method.get("type")
    known = engine_of(model).methods
    if kind not in known:
        names = ", ".join(map(repr, sorted(known)))
        message = f"Method {shown(kind)} is not supported for {model}; its methods are: {names}."
        raise ApiError(400, message, param="method.type", code="unsupported_value")
    chosen = _object(method.get(kind), f"method.{kind}")
    prefix = f"method.{kind}.hyperparameters"
    return kind, _object(chosen.get("hyperparameters"), prefix), prefix


def _integrations(value: Any) -> str | None:
    """Kept and shown with the job; nothing is reported to them, which the job's events say."""
    if not value:
        return None
    if not isinstance(value, list) or len(value) > 5:
        raise invalid("integrations", value, "a list of at most 5 integrations")
    for item in value:
        wandb = item.get("wandb") if isinstance(item, dict) and item.get("type") == "wandb" else None
        if not (isinstance(wandb, dict) and isinstance(wandb.get("project"), str) and wandb["project"]):
            raise invalid("integrations", item, "objects of type 'wandb' with a project")
    return orjson.dumps(value).decode()


def _object(value: Any, param: str) -> Body:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(param, value, "an object")
    return value


def _auto_or_whole(values: Body, name: str, most: int, prefix: str) -> int | str:
    value = values.get(name)
    if value is None or value == "auto":
        return "auto"
    if type(value) is not int or not 1 <= value <= most:
        raise invalid(f"{prefix}.{name}", value, f"'auto' or a whole number from 1 to {most}")
    return value


def _auto_or_positive(values: Body, name: str, prefix: str, most: float = inf) -> float | str:
    value = values.get(name)
    if value is None or value == "auto":
        return "auto"
    if type(value) not in (int, float) or not 0 < value <= most:
        words = "'auto' or a number above 0" + ("" if most == inf else f", at most {most:g}")
        raise invalid(f"{prefix}.{name}", value, words)
    return float(value)


def _metadata(value: Any) -> str | None:
    pairs = _object(value, "metadata")
    if len(pairs) > 16:
        raise ApiError(400, f"'metadata' holds {len(pairs)} pairs; at most 16 are allowed.", param="metadata")
    for key, text in pairs.items():
        if not 1 <= len(key) <= 64:
            raise invalid("metadata", key, "keys of 1 to 64 characters")
        if not isinstance(text, str) or len(text) > 512:
            raise invalid(f"metadata.{key}"[:40], text, "a string of at most 512 characters")
    return orjson.dumps(pairs).decode() if pairs else None
