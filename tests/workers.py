"""Each of several test processes gets a broker and a data folder of its own; pytest-django gives it a database.

Loaded before Django's settings are read (`-p` in pyproject.toml): a conftest.py would be too late.
"""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit


def broker_of(url: str, number: int) -> str:
    """The same server, and another of its databases: the first process keeps the one that the address names."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        query = dict(parse_qsl(parts.query))
        return parts._replace(query=urlencode(query | {"db": int(query.get("db", 0)) + number})).geturl()
    return parts._replace(path=f"/{int(parts.path.strip('/') or 0) + number}").geturl()


if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REDIS_URL"] = broker_of(os.environ["REDIS_URL"], int(worker.removeprefix("gw")))
    home = Path(os.environ["CURATION_HOME"]) / worker
    home.mkdir(exist_ok=True)
    os.environ["CURATION_HOME"] = str(home)
