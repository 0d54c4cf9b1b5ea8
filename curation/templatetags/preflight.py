"""What the preflight says of a row, on the row's page."""

from typing import Any

from django import template

from curation.datasets import check_row
from curation.models import Exchange, Project
from curation.preflight import repaired

register = template.Library()


@register.inclusion_tag("datasets/_row_findings.html", takes_context=True)
def row_findings(context: Any, row: Exchange, may_decide: bool) -> dict[str, Any]:
    """The findings of the row as it stands, and whether a key mends some of them. Costs one query."""
    project: Project = context["project"]
    found = check_row(project, row)
    is_json = project.answer_format == Project.AnswerFormat.JSON
    answer = row.teaches or ""
    return {
        "project": project,
        "user": context["user"],
        "row": row,
        "findings": found,
        "can_mend": bool(found) and may_decide and repaired(answer, is_json) != answer,
        "csrf_token": context.get("csrf_token"),
    }
