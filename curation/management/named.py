"""What a command is told by name: a project by its slug, a person by their user name."""

from django.core.management.base import CommandError

from curation.models import Project, User


def project_named(slug: str) -> Project:
    """The project, or a CommandError that names the ones there are."""
    try:
        return Project.objects.get(slug=slug)
    except Project.DoesNotExist:
        known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20])
        hint = f"There are: {known}." if known else "Make it first: create_project SLUG."
        raise CommandError(f"There is no project “{slug}”. {hint}") from None


def person_named(username: str) -> User:
    """The person, or a CommandError."""
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        raise CommandError(
            f"There is no person “{username}”. People are made in the admin, or by createsuperuser."
        ) from None
