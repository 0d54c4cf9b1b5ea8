"""SQL of our own, several statements on one way to the database."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

Statement = tuple[str, Sequence[Any]]


def run(*statements: Statement) -> Any:
    """Carry out statements on one way to the database; the first row that the first of them returns, if it does."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(sql for sql, _ in statements), [value for _, values in statements for value in values])
        return cursor.fetchone() if cursor.description else None
