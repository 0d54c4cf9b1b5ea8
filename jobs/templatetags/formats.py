"""The files a version can be had as, for pages of other rooms."""

from typing import Any

from django import template

from curation.models import DatasetVersion, Project
from jobs.formats import FORMATS

register = template.Library()


@register.inclusion_tag("exports/_formats.html")
def format_table(project: Project, version: DatasetVersion) -> dict[str, Any]:
    return {"project": project, "version": version, "formats": FORMATS.values()}
