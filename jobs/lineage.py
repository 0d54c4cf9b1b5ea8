"""Where a row went: the versions, files, jobs and models that hold it, and the people who decided on it."""

from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet

from curation.models import Example, Exchange, Review

from .models import Export, FineTune


@dataclass(frozen=True)
class Lineage:
    """`examples` newest version first, each with its version's exports and fine-tunes; `reviews` oldest first."""

    row: Exchange
    reviews: QuerySet[Review]
    examples: list[Example]

    @property
    def finetunes(self) -> list[FineTune]:
        """Jobs that were taught it: held-out rows are only ever tested on."""
        taught = [example for example in self.examples if example.split != Example.Split.TEST]
        return [finetune for example in taught for finetune in example.version.finetunes.all()]


def lineage_of(row: Exchange) -> Lineage:
    exports = Prefetch("version__exports", Export.objects.filter(status=Export.Status.SUCCEEDED).order_by("pk"))
    finetunes = Prefetch("version__finetunes", FineTune.objects.select_related("provider", "model_version"))
    examples = row.examples.defer("body", "version__figures").select_related("version")
    return Lineage(
        row=row,
        reviews=row.reviews.filter(is_opinion=False).select_related("reviewer").order_by("pk"),
        examples=list(examples.prefetch_related(exports, finetunes).order_by("-version__number")),
    )
