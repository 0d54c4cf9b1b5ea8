import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError, transaction

from curation.models import User

NAME = "admin"
# No two of these look alike, so that the password can be read off a screen: 5 bits each, 100 bits in all.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
GROUPS, GROUP_LENGTH = 4, 5


def readable_password() -> str:
    """Four groups of five letters and digits, such as k3mzt-…; strong enough to stay."""
    groups = ("".join(secrets.choice(LETTERS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))
    return "-".join(groups)


class Command(BaseCommand):
    help = (
        "Make the first administrator, unless there is one. The last line printed is its name, and the password too "
        "where CURATION_ADMIN_PASSWORD did not give one."
    )

    def handle(self, **options: Any) -> str | None:
        if User.objects.filter(is_superuser=True).exists():
            return None
        given = settings.ADMIN_PASSWORD
        password = given or readable_password()
        try:
            with transaction.atomic():
                user = User.objects.create_superuser(NAME, password=password)
        except IntegrityError:
            raise CommandError(
                f"A person named “{NAME}” exists and is no administrator. Make one of another name: createsuperuser."
            ) from None
        if given:
            self._warn_when_weak(given, user)
        return NAME if given else f"{NAME} {password}"

    def _warn_when_weak(self, password: str, user: User) -> None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            self.stderr.write(f"CURATION_ADMIN_PASSWORD is weak: {' '.join(error.messages)} Change it soon.")
