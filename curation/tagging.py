"""Tags on rows: put on, taken off, suggested."""

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from .models import Exchange, Tag

SUGGESTED = 200
# What `tags_around` finds, within a statement that reads an Exchange `e`: [{name, is_here}, …].
TAGS_OF_ROW = f"""ARRAY(
    SELECT json_build_object('name', t.name, 'is_here', here.tag_id IS NOT NULL)
    FROM curation_tag t LEFT JOIN curation_tag_exchanges here ON here.tag_id = t.id AND here.exchange_id = e.id
    WHERE t.project_id = e.project_id ORDER BY here.tag_id IS NULL, t.name LIMIT {SUGGESTED}
)"""  # noqa: S608 - a number of ours


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
    here = Tag.exchanges.through.objects.filter(tag_id=OuterRef("pk"), exchange_id=row.pk)
    tags = Tag.objects.filter(project_id=row.project_id).annotate(is_here=Exists(here))
    return tags.order_by("-is_here", "name")[:SUGGESTED]
