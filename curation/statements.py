"""How statements go to the database: several on one way, or planned once and carried out often."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper

Statement = tuple[str, Sequence[Any]]


def run(*statements: Statement) -> Any:
    """Carry out statements on one way to the database; the first row that the first of them returns, if it does."""
    with several() as cursor:
        cursor.execute("; ".join(sql for sql, _ in statements), [value for _, values in statements for value in values])
        return cursor.fetchone() if cursor.description else None


def several() -> CursorWrapper:
    """A cursor that takes several statements in one text; psycopg writes the values into it."""
    connection.ensure_connection()
    cursor: Any = psycopg.ClientCursor(connection.connection)
    return connection.make_debug_cursor(cursor) if connection.queries_logged else connection.make_cursor(cursor)


@contextmanager
def planned_once() -> Iterator[None]:
    """What is asked inside is planned the first few times a connection asks it, and then no more. Planning is most of
    what Postgres does for a page about one row. Not for what people search and filter by: there the best plan depends
    on the values, and one for all of them may read the whole table.
    """
    with connection.execute_wrapper(_prepared):
        yield


def _prepared(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    cursor = context["cursor"].cursor
    if many or params is None or isinstance(cursor, psycopg.ClientCursor):
        return execute(sql, params, many, context)
    with connection.wrap_database_errors:
        return cursor.execute(sql, params, prepare=True)
