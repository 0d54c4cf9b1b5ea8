"""`python -m jobs.trainer --home DIR --port PORT`: run the trainer until it is told to stop."""

import argparse
import logging
import os
import socket
import sys
from pathlib import Path

import uvicorn

from jobs.trainer.engines import base_models
from jobs.trainer.engines.base import EngineMissing
from jobs.trainer.server import create_app
from jobs.trainer.store import Store


def main() -> None:
    """Open the folder, take the port, serve."""
    parser = argparse.ArgumentParser(
        prog="python -m jobs.trainer", description="An OpenAI-shaped trainer on this machine."
    )
    parser.add_argument("--home", type=Path, required=True, help="folder for files, jobs and models")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes any free one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    try:
        offered = base_models()
    except EngineMissing as missing:
        sys.exit(str(missing))
    keys = [key for key in map(str.strip, os.environ.get("CURATION_TRAINER_KEY", "").split(",")) if key]
    if not keys:
        sys.exit("Set CURATION_TRAINER_KEY: without a key nobody could be let in.")
    listener = _listen(options.host, options.port)
    try:
        store = Store(options.home.resolve())
    except BlockingIOError:
        sys.exit(f"Another trainer uses {options.home}; stop it or choose another --home.")
    except OSError as error:
        sys.exit(f"The folder {options.home} cannot be used: {error.strerror}.")
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(store, keys),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
    )
    host, port = listener.getsockname()[:2]
    logging.getLogger(__name__).info("base models: %s", ", ".join(offered))
    sys.stdout.write(f"Trainer ready: http://{host}:{port}/v1\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; connections that come before the server runs wait in it."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except OverflowError:
        sys.exit(f"Cannot listen on {host} port {port}: ports go from 0 to 65535.")
    except OSError as error:
        reason = (error.strerror or "it is refused").partition(" (while")[0]  # the library repeats the address there
        sys.exit(f"Cannot listen on {host} port {port}: {reason}.")


if __name__ == "__main__":
    main()
