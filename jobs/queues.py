"""Which queue a message waits in: one for each kind of work, so that long imports hold up no fine-tune where a worker
is kept for those (`celery -A jobs.celery worker -Q training`). A worker that is told nothing serves them all.
"""

from typing import Any

from kombu import Queue

# Looking for due rows, and what is short.
DEFAULT = "default"
OF_KIND = {
    "export": "files",
    "import": "files",
    "escrow": "training",
    "finetune": "training",
    "retrainingrun": "training",
    "evaluationrun": "answers",
    "generation": "answers",
    "inputdraft": "answers",
    "moderationrun": "answers",
    "repair": "answers",
    "shadow": "answers",
}
QUEUES = [Queue(name) for name in sorted({DEFAULT, *OF_KIND.values()})]


def route(name: str, args: Any = None, *_: Any, **__: Any) -> dict[str, str]:
    """Celery's question where a message goes: by the kind of row that it names, if it names one."""
    return {"queue": OF_KIND.get(args[0], DEFAULT) if args and name == "jobs.tasks.advance" else DEFAULT}
