"""A small application: a web server that knows one address, and a handful of management commands on one table."""
# ruff: noqa: T201 - it speaks to the test that started it

import os
import sys
import time
from pathlib import Path


def serve(port):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *words):
            pass

    HTTPServer(("127.0.0.1", int(port)), Health).serve_forever()


def query(sql, *values):
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
        return database.execute(sql, values)


match sys.argv[1:]:
    case ["web", port]:
        serve(port)
    case ["manage", "migrate", "--noinput"]:
        query("CREATE TABLE IF NOT EXISTS note (text text)")
    case ["manage", "ensure_admin"]:
        print("admin of-one-day")
    case ["manage", "add_note", text]:
        query("INSERT INTO note VALUES (%s)", text)
    case ["manage", "notes"]:
        print(" ".join(text for (text,) in query("SELECT text FROM note").fetchall()))
    case ["manage", "copy", name]:
        Path(name).write_text(sys.stdin.read())
    case ["manage", "fail"]:
        print("as asked", file=sys.stderr)
        sys.exit(7)
    case ["manage", "sleep"]:
        print("sleeping", flush=True)
        time.sleep(60)
