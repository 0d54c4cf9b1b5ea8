"""Typed answers kept until they are decided: one for each person and row, seen by that person alone."""

from django.db.models import QuerySet
from django.db.models.functions import Left, Now

from .answers import reads_as_json, says_the_same, unix_lines
from .models import Draft, Exchange, Project, User
from .statements import Statement, run


def save_draft(project: Project, user: User, row: Exchange, text: str, version: int) -> Draft | None:
    """Keep what was typed on this version of the row; None, and nothing kept, where it is what the row teaches."""
    if says_the_same(text, row.teaches, reads_as_json(project, row.tools, text)):
        drop_draft(row, user)
        return None
    values = {"text": unix_lines(text), "exchange_version": version, "saved_at": Now()}
    Draft.objects.update_or_create(exchange=row, reviewer=user, defaults=values)
    return Draft.objects.get(exchange=row, reviewer=user)  # with the database's clock


def draft_of(row: Exchange, user: User) -> Draft | None:
    return row.drafts.filter(reviewer=user).first()


def drop_draft(row: Exchange, user: User) -> None:
    run(dropped(row, user))


def dropped(row: Exchange, user: User) -> Statement:
    """What drops the person's draft of the row."""
    return "DELETE FROM curation_draft WHERE exchange_id = %s AND reviewer_id = %s", [row.pk, user.pk]


def drafts_in(project: Project, user: User) -> QuerySet[Draft]:
    """The person's unfinished rows, newest first, with `excerpt`, the beginning of the prompt. No body is read."""
    mine = Draft.objects.filter(exchange__project=project, reviewer=user)
    return mine.annotate(excerpt=Left("exchange__user_prompt", 80)).defer("text").order_by("-saved_at")
