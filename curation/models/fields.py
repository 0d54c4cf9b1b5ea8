"""Column types Postgres has and Django does not."""

from typing import Any

from django.db import models


class CitextField(models.TextField):
    """Case-insensitive text (extension citext): `=` and unique indexes ignore case as the database's locale defines it.

    `__startswith` and its kin cast to plain text and do see case; use the `__i…` lookups for those.
    """

    def db_type(self, connection: Any) -> str:
        return "citext"
