"""A stretch of network in front of Postgres that can be cut, frozen and mended."""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from django.db import connection


class Proxy:
    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = self._listening.getsockname()[1]
        self._open: list[socket.socket] = []
        self._is_cut = self._is_frozen = self._is_over = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def database_url(self) -> str:
        return f"postgresql://app@127.0.0.1:{self._port}/{connection.settings_dict['NAME']}"

    def cut(self) -> None:
        """Every connection breaks, and new ones are dropped at once."""
        self._is_cut = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def freeze(self) -> None:
        """Connections stay, nothing passes."""
        self._is_frozen = True

    def mend(self) -> None:
        self._is_cut = self._is_frozen = False

    def close(self) -> None:
        self._is_over = True
        self.cut()
        self._listening.close()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            server = _connect()
            self._open += [client, server]
            threading.Thread(target=self._pass, args=[client, server], daemon=True).start()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        other = {client: server, server: client}
        try:
            while True:
                ready = [] if self._is_frozen else select.select(list(other), [], [], 0.05)[0]
                if self._is_frozen:
                    threading.Event().wait(0.02)
                for one in ready:
                    if not (data := one.recv(1 << 16)):
                        return
                    other[one].sendall(data)
        except OSError:
            return
        finally:
            client.close()
            server.close()


def _connect() -> socket.socket:
    parts = urlsplit(os.environ["DATABASE_URL"])
    folder = parse_qs(parts.query).get("host", [""])[0]
    if not folder:
        return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432))
    server = socket.socket(socket.AF_UNIX)
    server.connect(f"{folder}/.s.PGSQL.{parts.port or 5432}")
    return server


@contextlib.contextmanager
def proxy_before_postgres() -> Iterator[Proxy]:
    proxy = Proxy()
    try:
        yield proxy
    finally:
        proxy.close()
