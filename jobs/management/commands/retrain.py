import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation.management.named import project_named
from jobs import readiness
from jobs.models import Job, RetrainingRun
from jobs.tasks import KINDS

PAUSE = 0.3


class Command(BaseCommand):
    help = "Say whether a project should train itself anew; with --now, go once round and follow it to the end."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="The project.")
        parser.add_argument("--now", action="store_true", help="Freeze, export, fine-tune, evaluate and decide now.")

    def handle(self, *, slug: str, now: bool, **options: Any) -> None:
        policy = readiness.policy_of(project_named(slug))
        if not now:
            self.stdout.write(readiness.check(policy).sentence)
            return
        try:
            run = readiness.start(policy, RetrainingRun.Trigger.PERSON)
        except readiness.AlreadyRunning as error:
            self._say(f"{error} Following it.")
            run = error.run
        self._follow(run)
        if run.status == RetrainingRun.Status.FAILED:
            raise CommandError(run.outcome or run.error)
        self._say(run.outcome)

    def _follow(self, run: RetrainingRun) -> None:
        """Take the steps here; where a worker takes them too, each is taken by one of the two."""
        said = ""
        while not run.is_finished:
            for job in _jobs_of(run):
                KINDS[str(job._meta.model_name)][1](job.pk)
            run.refresh_from_db()
            if (line := _progress(run)) != said:
                self._say(line)
                said = line
            if run.finetune and run.finetune.is_parked:
                raise CommandError(f"{run.finetune} waits for a person. {run.finetune.error}")
            if not run.is_finished:
                time.sleep(PAUSE)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _jobs_of(run: RetrainingRun) -> list[Job]:
    """The run and what it waits for, whichever of them is not finished."""
    jobs: list[Job] = [run]
    if finetune := run.finetune:
        export = finetune.export or finetune.version.exports.filter(split="train", format="openai-chat").first()
        jobs += [export, finetune] if export else [finetune]
    if run.evaluation:
        jobs.append(run.evaluation)
    return [job for job in jobs if not job.is_finished]


def _progress(run: RetrainingRun) -> str:
    match run.step:
        case RetrainingRun.Step.FINETUNE if run.finetune:
            status = f", {run.finetune.provider_status} there" if run.finetune.provider_status else ""
            return f"{run.version}: {run.finetune}: {run.finetune.get_step_display()}{status}"
        case RetrainingRun.Step.EVALUATE if run.evaluation:
            done = f"{run.evaluation.done_count} of {run.evaluation.total_count} answers"
            return f"{run.version}: {run.evaluation}: {done}"
        case _:
            return f"{run}: {run.get_step_display()}"
