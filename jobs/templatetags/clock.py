"""Times as a place's clock shows them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django import template
from django.utils import timezone

register = template.Library()


class _Local(datetime):
    """Django's templates turn every other time into the installation's own zone."""

    convert_to_local_time = False


@register.filter
def in_zone(moment: datetime | None, zone: str) -> datetime | None:
    if moment is None:
        return None
    local = timezone.localtime(moment, ZoneInfo(zone))
    return _Local(*local.timetuple()[:6], tzinfo=local.tzinfo, fold=local.fold)
