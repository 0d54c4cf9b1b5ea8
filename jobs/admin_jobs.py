"""What every kind of job has in the admin: it can be hurried on and cancelled, and is never edited."""

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from curation.admin_lists import HistoryAdmin

from .models import Job


class JobAdmin(HistoryAdmin):
    """A worker looks at due rows every two seconds; both actions only say so on the row."""

    keys = ("id",)
    search_help_text = "A number."
    actions = ["hurry", "cancel"]
    date_hierarchy = "created_at"

    @admin.action(description="Take the next step now", permissions=["steer"])
    def hurry(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        unfinished = rows.filter(status__in=[Job.Status.PENDING, Job.Status.RUNNING])
        # One without a time waits for a decision on its own page, which may cost money.
        count = unfinished.exclude(next_attempt_at=None).update(next_attempt_at=Now())
        self.message_user(
            request, f"{count} due now. Finished ones, and those a person has to decide, stay as they are."
        )

    @admin.action(description="Cancel", permissions=["steer"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Job]) -> None:
        asked = [job.ask_to_cancel() for job in rows]
        self.message_user(request, f"{sum(asked)} will stop at the next step. Finished ones stay as they are.")
