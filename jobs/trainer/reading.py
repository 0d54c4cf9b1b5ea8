"""Reading requests: JSON bodies, list parameters, and checks of single values that say what they expected."""

from collections.abc import Callable, Collection
from typing import Any

import orjson
from starlette.requests import Request

from jobs.trainer.errors import ApiError, Json, shown
from jobs.trainer.store import Facts, Store

Body = dict[str, Any]


async def read_json(request: Request) -> Body:
    """The request's JSON object. Raises ApiError 400."""
    raw = await request.body()
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"We could not parse the JSON body of your request: {error.msg}.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "We expected a JSON object as the body of your request.")
    return body


def string(body: Body, name: str, *, most: int, required: bool = False) -> str | None:
    """A string of 1 to `most` characters; None when absent and not required."""
    value = body.get(name)
    if value is None:
        if required:
            raise ApiError(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise invalid(name, value, f"a string of 1 to {most} characters")
    return value


def whole(body: Body, name: str, low: int, high: int) -> int | None:
    """A whole number from `low` to `high`; None when absent. `true` and "3" are no numbers."""
    value = body.get(name)
    if value is not None and (type(value) is not int or not low <= value <= high):
        raise invalid(name, value, f"a whole number from {low} to {high}")
    return value


def number(body: Body, name: str, low: float, high: float) -> float | None:
    """A number from `low` to `high`; None when absent."""
    value = body.get(name)
    if value is not None and (type(value) not in (int, float) or not low <= value <= high):
        raise invalid(name, value, f"a number from {low} to {high}")
    return value


def invalid(param: str, value: Any, expected: str) -> ApiError:
    """400 for a value that is not what the parameter takes."""
    return ApiError(
        400, f"Invalid value for '{param}': {shown(value)}. Expected {expected}.", param=param, code="invalid_value"
    )


def unsupported(param: str, reason: str) -> ApiError:
    """400 for something the hosted service has and this one has not."""
    return ApiError(400, f"Unsupported parameter: '{param}'. {reason}", param=param, code="unsupported_parameter")


def page_of(
    request: Request, store: Store, table: str, where: str, values: Collection[Any], show: Callable[[Facts], Body],
    *, limit: int, most: int,
) -> Json:  # fmt: skip
    """A list answer from the query's `after`, `limit` (default `limit`, capped at `most`) and `order`."""
    query = request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise invalid("order", order, "'asc' or 'desc'")
    asked = query.get("limit", str(limit))
    if not (asked.isascii() and asked.isdigit() and len(asked) < 10 and int(asked) > 0):
        raise invalid("limit", asked, f"a whole number from 1 to {most}")
    rows, has_more = store.page(
        table,
        where,
        [*values],
        after=query.get("after"),
        limit=min(int(asked), most),
        ascending=order == "asc",
    )
    data = [show(row) for row in rows]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return Json({"object": "list", "data": data, "has_more": has_more, **ends})
