"""What must be true of the database and of the file storage before anything is stored in them."""

from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.utils import OperationalError

LOCALE_CURE = (
    "Create the database with a UTF-8 locale that knows letters beyond ASCII, for example: "
    "CREATE DATABASE curation TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' "
    "(Postgres 17 and newer), or LOCALE 'C.UTF-8' on older servers. An existing database must be dumped and restored."
)


@register(Tags.database)
def citext_folds_letters_beyond_ascii(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Under a plain C locale citext takes É and é for different letters, and the unique prompt would not be one."""
    errors: list[CheckMessage] = []
    for alias in databases or []:
        if connections[alias].vendor != "postgresql":
            errors.append(Error("Postgres is needed: prompts are unique through its citext type.", id="curation.E001"))
            continue
        try:
            with connections[alias].cursor() as cursor:
                # citext folds with lower() under the database's default collation; asking lower() needs no extension.
                cursor.execute("SELECT lower('É') = 'é', current_setting('server_encoding')")
                folds, encoding = cursor.fetchone()
        except OperationalError as error:
            errors.append(Error(f"The database cannot be asked: {error}", id="curation.E003"))
            continue
        if not folds or encoding != "UTF8":
            errors.append(
                Error(
                    "This database takes 'É' and 'é' for different letters (or is not UTF-8), so the same prompt "
                    "in another case would be stored twice.",
                    hint=LOCALE_CURE,
                    id="curation.E002",
                )
            )
    return errors


@register(Tags.files)
def the_store_can_be_reached(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A bucket is named, so the packages that speak to it have to be there."""
    if not settings.S3_BUCKET or (find_spec("storages") and find_spec("boto3")):
        return []
    words = "CURATION_BUCKET is set, but the packages that speak to S3 are not installed."
    hint = "Install them: .venv/bin/python -m pip install --require-hashes -r requirements-s3.txt"
    return [Error(words, hint=hint, id="curation.E004")]
