"""Human labels of a corpus, taken over as verdicts that name their source."""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from .checking import faults_in
from .json_layout import same_value
from .models import Exchange, Project, Review, ReviewSlot

logger = logging.getLogger(__name__)
BATCH = 500
Label = tuple[int, str]


def label(project: Project, labels: Iterable[Label], source: str) -> int:
    """Include rows with the answers a corpus names: pairs of exchange id and answer. Returns how many it decided.

    Rows already decided, by a person or by an earlier call, stay as they are. Each batch of 500 is one transaction.
    Raises ValueError where a project of JSON answers is given an answer that is not JSON.
    """
    total = 0
    remaining = iter(labels)
    while batch := dict(islice(remaining, BATCH)):
        with transaction.atomic():
            total += _label_batch(project, batch, source)
    logger.info("project %s: %s rows labelled from a corpus", project.pk, total)
    return total


def _label_batch(project: Project, answers: dict[int, str], source: str) -> int:
    rows = list(
        project.exchanges.pending()
        .select_for_update(no_key=True)
        .only("project_id", "response", "state", "target", "target_origin", "included", "version")
        .filter(pk__in=answers)
        .order_by("pk")
    )
    reviews = list(_reviews(project, rows, answers, source))
    Review.objects.bulk_create(reviews)
    changed = [review for review in reviews if review.target_after != review.target_before]
    for review in changed:
        review.exchange.target = review.target_after
    Exchange.objects.bulk_update([review.exchange for review in changed], ["target"])
    pks = [row.pk for row in rows]
    Exchange.objects.filter(pk__in=pks).update(
        state=Exchange.State.INCLUDED,
        target_origin=Exchange.Origin.LABEL,
        included=Now(),
        decided_at=Now(),
        decided_by=None,
        version=F("version") + 1,
    )
    ReviewSlot.objects.filter(exchange__in=pks, done_at=None).update(
        done_at=Now(), reviewer=None, claim_token=None, claimed_until=None, not_before=None
    )
    return len(rows)


def _reviews(project: Project, rows: list[Exchange], answers: dict[int, str], source: str) -> Iterator[Review]:
    is_json = project.answer_format == Project.AnswerFormat.JSON
    for row in rows:
        answer = answers[row.pk]
        if is_json and (faults := faults_in(answer, project.schema)):
            words = faults[0].words
            raise ValueError(f"The label of exchange {row.pk} is not JSON as this project teaches it. {words}")
        is_as_captured = answer == row.response or (is_json and same_value(answer, row.response))
        yield Review(
            project=project,
            exchange=row,
            source=source,
            verb=Review.Verb.INCLUDED,
            via=Review.Via.CORPUS,
            state_before=row.state,
            state_after=Exchange.State.INCLUDED,
            target_before=row.target,
            target_after=None if is_as_captured else answer,
            origin_before=row.target_origin,
            origin_after=Exchange.Origin.LABEL,
            included_before=row.included,
            version_after=row.version + 1,
        )
