"""Tags on rows: put on, taken off, suggested."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import JSONObject

from .models import Exchange, Project, Tag

SUGGESTED = 200


def tag(row: Exchange, name: str) -> None:
    """Put a tag on the row; blanks around it and capital letters make no other tag."""
    with transaction.atomic():
        found, _ = Tag.objects.get_or_create(project_id=row.project_id, name=" ".join(name.lower().split()))
        found.exchanges.add(row)


def untag(row: Exchange, name: str) -> None:
    """Take a tag off the row; a tag on no row any more is gone."""
    with transaction.atomic():
        for found in Tag.objects.select_for_update().filter(project_id=row.project_id, name=name):
            found.exchanges.remove(row)
            if not found.exchanges.exists():
                found.delete()


def tags_around(row: Exchange) -> QuerySet[Tag]:
    """The row's tags (`is_here`) and after them others of the project, as suggestions."""
    return _around(row.project_id, row.pk)


def tags_of_row(project: Project) -> ArraySubquery:
    """The same within a query of a project's Exchanges: [{name, is_here}, …]."""
    around = _around(project.pk, OuterRef(OuterRef("pk")))
    return ArraySubquery(around.values(json=JSONObject(name="name", is_here="is_here")))


def _around(project_id: int, row: int | OuterRef) -> QuerySet[Tag]:
    here = Tag.exchanges.through.objects.filter(tag_id=OuterRef("pk"), exchange_id=row)
    tags = Tag.objects.filter(project_id=project_id).annotate(is_here=Exists(here))
    return tags.order_by("-is_here", "name")[:SUGGESTED]
