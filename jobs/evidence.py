"""All that speaks for a model, in one file that can be checked without us: its rows by their hashes with who decided on
them, preflight, job, evaluations, gate, promotions.

JSON Lines in canonical JSON and a fixed order, without a clock: as long as nothing new has happened to the model the
same bytes come out. The last line signs the ones before with the project's key. Texts are not in it, so that it can be
handed on, and stays what it was when a text is erased.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db.models import QuerySet

from curation.chat import canonical
from curation.models import DatasetVersion, Example, Project, Review, Waiver

from .evidence_format import KIND
from .models import EvaluationResult, EvaluationRun, FineTune, GateResult, ModelVersion, Promotion

ROWS_AT_ONCE = 2000
Line = dict[str, Any]


def key_of(project: Project) -> Ed25519PrivateKey:
    """Made of the installation's sealing key, so that there is nothing more to keep."""
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"evidence:{project.slug}".encode())
    return Ed25519PrivateKey.from_private_bytes(derived.derive(settings.SEALING_KEY.encode()))


def public_key_of(project: Project) -> str:
    return key_of(project).public_key().public_bytes_raw().hex()


def write(model: ModelVersion, file: BinaryIO) -> str:
    """Write the packet of a model; its SHA-256."""
    key, digest, count = key_of(model.project), hashlib.sha256(), 0
    for line in _lines(model):
        data = canonical(line).encode() + b"\n"
        digest.update(data)
        file.write(data)
        count += 1
    signature = {
        "kind": "signature",
        "lines": count,
        "public_key": public_key_of(model.project),
        "sha256": digest.hexdigest(),
        "signature": key.sign(digest.digest()).hex(),
    }
    last = canonical(signature).encode() + b"\n"
    file.write(last)
    digest.update(last)
    return digest.hexdigest()


def _lines(model: ModelVersion) -> Iterator[Line]:
    version, finetune = model.version, model.finetune
    yield {
        "kind": KIND,
        "project": model.project.slug,
        "model": model.name,
        "base_model": model.base_model,
        "provider": model.provider.name,
        "version": version.number,
        "content_hash": version.content_hash,
        "training_prompt": version.training_prompt,
        "keeps_captured_prompt": version.keeps_captured_prompt,
        "counts": {"train": version.train_count, "validation": version.validation_count, "test": version.test_count},
        "frozen_at": _time(version.created_at),
        "frozen_by": _name(version.created_by),
    }
    yield from _rows(version)
    yield from _findings(version)
    yield from _job(finetune)
    for run in model.evaluations.filter(status=EvaluationRun.Status.SUCCEEDED).order_by("pk"):
        yield from _evaluation(run)
    for verdict in model.gate_results.select_related("alias", "created_by").order_by("pk"):
        yield _gate(verdict)
    yield from _promotions(model.promotions.order_by("pk"))
    for taint in model.taints.select_related("withdrawal").order_by("pk"):
        at, reason = _time(taint.withdrawal.created_at), taint.withdrawal.reason
        yield {"kind": "withdrawn", "rows": taint.row_count, "reason": reason, "at": at}


def _rows(version: DatasetVersion) -> Iterator[Line]:
    examples = version.examples.defer("body").order_by("split", "position")
    batch: list[Example] = []
    for example in examples.iterator(chunk_size=ROWS_AT_ONCE):
        batch.append(example)
        if len(batch) == ROWS_AT_ONCE:
            yield from _batch(batch)
            batch = []
    yield from _batch(batch)


def _batch(examples: list[Example]) -> Iterator[Line]:
    """Verdicts up to the state that was frozen: later ones are of another version."""
    verdicts: dict[int, list[Review]] = defaultdict(list)
    rows = [example.exchange_id for example in examples]
    for review in Review.objects.filter(exchange__in=rows).select_related("reviewer").order_by("pk"):
        verdicts[review.exchange_id].append(review)
    for example in examples:
        given = [r for r in verdicts[example.exchange_id] if r.version_after <= example.exchange_version]
        yield {
            "kind": "row",
            "row": example.exchange_id,
            "split": example.split,
            "position": example.position,
            "sha256": example.content_hash,
            "verdicts": [_verdict(review) for review in given],
        }


def _verdict(review: Review) -> Line:
    return {
        "verb": review.verb,
        "by": _name(review.reviewer) or review.source,
        "at": _time(review.created_at),
        "answer_from": review.origin_after,
        **({"is_opinion": True} if review.is_opinion else {}),
    }


def _findings(version: DatasetVersion) -> Iterator[Line]:
    yield {"kind": "preflight", "counts": version.figures.get("findings", [])}
    for found in version.findings.select_related("waiver__waived_by").order_by("pk"):
        yield {
            "kind": "finding",
            "code": found.code,
            "severity": found.severity,
            "row": found.exchange_id,
            "other": found.other_id,
            "waived": _waived(found.waiver),
        }


def _waived(waiver: Waiver | None) -> Line | None:
    if waiver is None:
        return None
    return {"by": _name(waiver.waived_by), "reason": waiver.reason, "at": _time(waiver.created_at)}


def _job(finetune: FineTune) -> Iterator[Line]:
    export = finetune.export
    yield {
        "kind": "job",
        "launch_id": str(finetune.launch_id),
        "job": finetune.provider_job_id,
        "status": finetune.status,
        "file": finetune.provider_file_id,
        "file_sha256": export.sha256 if export else "",
        "hyperparameters": finetune.hyperparameters,
        "seed": finetune.seed,
        "trained_tokens": finetune.trained_tokens,
        "by": _name(finetune.created_by),
        "started_at": _time(finetune.started_at),
        "finished_at": _time(finetune.finished_at),
    }
    for event in finetune.events.order_by("created_at", "pk"):
        at = _time(event.created_at)
        yield {"kind": "event", "at": at, "level": event.level, "message": event.message, "data": event.data}


def _evaluation(run: EvaluationRun) -> Iterator[Line]:
    candidates = [
        {"candidate": each.pk, "role": each.role, "model": each.model} for each in run.candidates.order_by("pk")
    ]
    at = _time(run.finished_at)
    yield {"kind": "evaluation", "evaluation": run.pk, "finished_at": at, "candidates": candidates}
    results = EvaluationResult.objects.filter(candidate__run=run).order_by("candidate", "example__position", "pk")
    for result in results.select_related("example").defer("answer", "example__body").iterator(ROWS_AT_ONCE):
        yield {
            "kind": "case",
            "candidate": result.candidate_id,
            "row": result.example.exchange_id,
            "sha256": result.example.content_hash,
            "is_right": result.is_right,
        }


def _gate(verdict: GateResult) -> Line:
    checks = [[check.code, check.verdict, check.words] for check in verdict.checks.order_by("pk")]
    return {
        "kind": "gate",
        "gate": verdict.pk,
        "alias": verdict.alias.name,
        "compared_with": verdict.compared_model,
        "evaluation": verdict.evaluation_id,
        "is_passed": verdict.is_passed,
        "words": verdict.words,
        "checks": checks,
        "by": _name(verdict.created_by),
        "at": _time(verdict.created_at),
    }


def _promotions(moves: QuerySet[Promotion]) -> Iterator[Line]:
    for move in moves.select_related("alias", "promoted_by"):
        yield {
            "kind": "promotion",
            "move": move.kind,
            "alias": move.alias.name,
            "from": move.previous_model,
            "to": move.model,
            "evaluation": move.evaluation_id,
            "gate": move.gate_id,
            "override_reason": move.override_reason,
            "note": move.note,
            "by": _name(move.promoted_by),
            "at": _time(move.created_at),
        }


def _name(person: Any) -> str:
    return person.get_username() if person else ""


def _time(at: Any) -> str | None:
    return at.isoformat() if at else None
