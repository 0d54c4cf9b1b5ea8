"""A database that takes É and é for different letters is refused before anything is stored in it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql


@pytest.fixture
def plain_c_database() -> Iterator[str]:
    """The URL of an empty database of the test server with the locale C."""
    url, name = os.environ["DATABASE_URL"], f"plain_c_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'")
        server.execute(made.format(sql.Identifier(name)))
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize("words", [["migrate"], ["check", "--database", "default"]])
def test_it_is_refused_with_the_cure(plain_c_database, words):
    done = subprocess.run(
        [sys.executable, "manage.py", *words],
        env=os.environ | {"DATABASE_URL": plain_c_database},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "(curation.E002) This database takes 'É' and 'é' for different letters" in done.stderr
    assert "TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'" in done.stderr
    with psycopg.connect(plain_c_database) as there:
        assert there.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_database_that_cannot_be_reached_is_said_in_words():
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default"],
        env=os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "(curation.E003) The database cannot be asked" in done.stderr
