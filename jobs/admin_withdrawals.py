"""What was looked at by a moderation and what was withdrawn, for administrators."""

from django.contrib import admin

from curation.admin_lists import HistoryAdmin, ProjectFilter

from .admin_jobs import JobAdmin
from .models import FileRemoval, ModerationRun, Taint, Withdrawal


@admin.register(ModerationRun)
class ModerationRunAdmin(JobAdmin):
    list_display = ["id", "project", "provider", "status", "asked_count", "flagged_count", "created_at"]
    list_filter = [ProjectFilter, "status"]
    list_select_related = ["project", "provider"]


@admin.register(Withdrawal)
class WithdrawalAdmin(JobAdmin):
    list_display = ["id", "project", "reason", "status", "is_erasure", "erased_at", "created_by", "created_at"]
    list_filter = [ProjectFilter, "status", "is_erasure"]
    list_select_related = ["project", "created_by"]


@admin.register(FileRemoval)
class FileRemovalAdmin(HistoryAdmin):
    keys = ("withdrawal",)
    list_display = ["id", "withdrawal_id", "provider", "file_id", "removed_at"]
    list_filter = [ProjectFilter.within("withdrawal__project"), ("removed_at", admin.EmptyFieldListFilter)]
    list_select_related = ["provider"]
    ordering = ["-id"]
    search_help_text = "The number of a withdrawal."


@admin.register(Taint)
class TaintAdmin(HistoryAdmin):
    keys = ("withdrawal", "model_version")
    list_display = ["id", "withdrawal_id", "model_version", "row_count", "created_at"]
    list_filter = [ProjectFilter.within("withdrawal__project")]
    list_select_related = ["model_version"]
    ordering = ["-id"]
    search_help_text = "The number of a withdrawal or of a model."
