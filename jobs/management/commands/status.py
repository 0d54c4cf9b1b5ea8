import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count

from curation.management.named import project_named
from curation.models import Exchange, Project
from jobs.models import Job
from jobs.tasks import KINDS

COUNTS = ("calls", "exchanges", "pending", "included", "excluded", "versions")
# By kind of job, where its project stands.
PROJECT_OF = {
    "export": ("exports", "version__project"),
    "finetune": ("finetunes", "project"),
    "evaluationrun": ("evaluations", "project"),
    "retrainingrun": ("retrainings", "policy__project"),
    "generation": ("generations", "project"),
    "inputdraft": ("input_drafts", "project"),
}


class Command(BaseCommand):
    help = "Count what there is: of one project, or of all of them and together."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="is_json", help="As one JSON object, for scripts.")
        parser.add_argument("--project", metavar="SLUG", help="Only this project.")

    def handle(self, *, is_json: bool, project: str | None, **options: Any) -> None:
        if project:
            figures = _figures(project_named(project))
        else:
            each = {row.slug: _figures(row) for row in Project.objects.order_by("slug")}
            figures = _together(list(each.values())) | {"projects": each}
        if is_json:
            self.stdout.write(json.dumps(figures, ensure_ascii=False))
        else:
            self._say(figures)

    def _say(self, figures: dict[str, Any], indent: str = "") -> None:
        for name, value in figures.items():
            if isinstance(value, dict):
                self.stdout.write(f"{indent}{name}:")
                self._say(value, indent + "  ")
            else:
                self.stdout.write(f"{indent}{name}: {value}")


def _figures(project: Project) -> dict[str, Any]:
    states = dict(project.exchanges.values_list("state").annotate(count=Count("pk")).order_by())
    state = Exchange.State
    return {
        "calls": project.calls.count(),
        "exchanges": sum(states.values()),
        "pending": states.get(state.PENDING, 0) + states.get(state.LATER, 0),
        "included": states.get(state.INCLUDED, 0),
        "excluded": states.get(state.EXCLUDED, 0),
        "versions": project.versions.count(),
        "models": project.model_versions.count(),
        "jobs": {name: _by_status(KINDS[kind][0], path, project) for kind, (name, path) in PROJECT_OF.items()},
        "serving": dict(project.aliases.values_list("name", "model")),
    }


def _by_status(model: type[Job], path: str, project: Project) -> dict[str, int]:
    rows = model._default_manager.filter(**{path: project})
    return dict(rows.values_list("status").annotate(count=Count("pk")).order_by())


def _together(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The same figures of all projects; aliases of several projects are kept apart by the project's name."""
    total: dict[str, Any] = {name: sum(each[name] for each in figures) for name in (*COUNTS, "models")}
    jobs: dict[str, dict[str, int]] = {name: {} for name, _ in PROJECT_OF.values()}
    for each in figures:
        for name, counts in each["jobs"].items():
            for status, count in counts.items():
                jobs[name][status] = jobs[name].get(status, 0) + count
    return total | {"jobs": jobs}
