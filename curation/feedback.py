"""What was said of calls, by those who got the answers."""

from collections.abc import Sequence

from .chat import clean
from .models import Feedback, Project
from .redaction import STRICTEST, redactor

_TEXTS = ("own_id", "comment", "demonstration")


def record_feedback(said: Sequence[Feedback]) -> None:
    """Store what was said, masked as its project wants it. What is known by its id already is not stored again. Raises
    DatabaseError; then nothing is stored.
    """
    policies = Project.objects.filter(pk__in={row.project_id for row in said}).redaction_policies()
    for row in said:
        texts, counts = redactor(policies.get(row.project_id, STRICTEST)).texts([getattr(row, name) for name in _TEXTS])
        row.masked_count += counts.total()  # a second attempt finds nothing more
        for name, text in zip(_TEXTS, texts, strict=True):
            setattr(row, name, clean(text)[0])
    Feedback.objects.bulk_create(said, ignore_conflicts=True)
