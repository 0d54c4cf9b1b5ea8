"""Fine-tunes for administrators: what was ordered and agreed to, what the trainer reported, what it told by webhook."""

from django.contrib import admin

from curation.admin_lists import HistoryAdmin, HistoryInline, ProjectFilter

from .admin_jobs import JobAdmin
from .models import (
    Approval,
    FineTune,
    FineTuneCheckpoint,
    FineTuneEvent,
    FineTuneMetric,
    Quote,
    WebhookDelivery,
    WebhookEndpoint,
)


class FineTuneEventInline(HistoryInline):
    model = FineTuneEvent
    fields = ["created_at", "level", "message"]
    ordering = ["-created_at", "-id"]


@admin.register(FineTune)
class FineTuneAdmin(JobAdmin):
    list_display = [
        *["id", "project", "version", "base_model", "status", "step", "provider_status", "fine_tuned_model"],
        "created_at",
    ]
    list_filter = [ProjectFilter, "status", "step"]
    list_select_related = ["project", "version"]
    search_fields = ["fine_tuned_model", "provider_job_id"]
    search_help_text = "A number, or part of the model's name or of the provider's id of the job."
    inlines = [FineTuneEventInline]


@admin.register(Quote)
class QuoteAdmin(HistoryAdmin):
    keys = ("finetune",)
    list_display = ["id", "finetune_id", "amount", "token_count", "passes", "price", "source", "created_at"]
    list_filter = [ProjectFilter.within("finetune__project")]
    search_help_text = "The number of a fine-tune."


@admin.register(Approval)
class ApprovalAdmin(HistoryAdmin):
    keys = ("finetune",)
    list_display = ["id", "finetune_id", "decision", "requested_by", "decided_by", "decided_at"]
    list_filter = [ProjectFilter.within("finetune__project"), "decision"]
    list_select_related = ["requested_by", "decided_by"]
    search_help_text = "The number of a fine-tune."


@admin.register(FineTuneEvent)
class FineTuneEventAdmin(HistoryAdmin):
    keys = ("finetune",)
    list_display = ["id", "finetune_id", "level", "event_id", "created_at"]
    list_filter = [ProjectFilter.within("finetune__project"), "level"]
    ordering = ["-id"]
    search_help_text = "The number of a fine-tune."


@admin.register(FineTuneMetric)
class FineTuneMetricAdmin(HistoryAdmin):
    keys = ("finetune",)
    list_display = ["id", "finetune_id", "step", "train_loss", "valid_loss"]
    list_filter = [ProjectFilter.within("finetune__project")]
    ordering = ["-id"]
    search_help_text = "The number of a fine-tune."


@admin.register(FineTuneCheckpoint)
class FineTuneCheckpointAdmin(HistoryAdmin):
    keys = ("finetune",)
    list_display = ["id", "finetune_id", "step", "model", "created_at"]
    list_filter = [ProjectFilter.within("finetune__project")]
    ordering = ["-id"]
    search_help_text = "The number of a fine-tune."


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(HistoryAdmin):
    keys = ("provider",)
    list_display = ["id", "provider", "remote_id", "created_at", "secret_changed_at"]
    list_filter = [ProjectFilter.within("provider__project")]
    list_select_related = ["provider"]
    search_help_text = "The number of a provider."


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(HistoryAdmin):
    keys = ("webhook_id", "finetune")
    list_display = [
        *["id", "received_at", "endpoint_id", "webhook_id", "event_type", "finetune_id", "outcome", "repeat_count"],
        "conflict_count",
    ]
    list_filter = [ProjectFilter.within("endpoint__provider__project"), "outcome"]
    search_help_text = "A webhook-id, or the number of a fine-tune."
