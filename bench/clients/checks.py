"""What every client's script shares: where to call, and a line for each thing that was tried."""

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

BASE_URL = os.environ["OPENAI_BASE_URL"]
API_KEY = os.environ["OPENAI_API_KEY"]
MODEL = os.environ.get("CLIENT_MODEL", "base-1")
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PICTURE = "data:image/png;base64,iVBORw0KGgo="
_failed: list[str] = []


def check(name: str, act: Callable[[], Any], wanted: Any = True) -> None:
    """Do something and compare what came of it."""
    try:
        found = act()
    except Exception:  # noqa: BLE001 - a client may raise anything; that is the finding
        traceback.print_exc(limit=-2)
        found = "raised"
    is_right = found == wanted
    print(f"{'ok  ' if is_right else 'FAIL'} {name}{'' if is_right else f': {found!r}, not {wanted!r}'}")
    if not is_right:
        _failed.append(name)


def asked(text: Any) -> list[dict[str, Any]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


def finish(client: str) -> None:
    print(f"{client}: {'all worked' if not _failed else 'failed: ' + ', '.join(_failed)}")
    sys.exit(bool(_failed))
