"""The machines' rows for administrators: read, hurried on or cancelled; what a job did is never edited."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from curation.admin_lists import HistoryAdmin, HistoryInline, ProjectFilter, RowAdmin

from . import admin_finetunes, admin_withdrawals  # noqa: F401  (they register their rows)
from .admin_jobs import JobAdmin
from .models import (
    DraftedInput,
    Escrow,
    EscrowAnswer,
    EvaluationCandidate,
    EvaluationResult,
    EvaluationRun,
    Export,
    GateCheck,
    GatePolicy,
    GateResult,
    Generation,
    GenerationItem,
    Grader,
    Import,
    ImportRemark,
    InputDraft,
    Judgement,
    ModelVersion,
    Notice,
    NoticeDelivery,
    NoticePolicy,
    PaybackForecast,
    Promotion,
    PromotionRequest,
    Repair,
    RepairPolicy,
    Retirement,
    RetrainingCheck,
    RetrainingPolicy,
    RetrainingRun,
    Shadow,
    ShadowAnswer,
    Watch,
)


@admin.register(Export)
class ExportAdmin(JobAdmin):
    list_display = ["id", "version", "split", "format", "status", "line_count", "byte_count", "created_at"]
    list_filter = [ProjectFilter.within("version__project"), "status", "split", "format"]
    list_select_related = ["version"]


@admin.register(ModelVersion)
class ModelVersionAdmin(HistoryAdmin):
    list_display = ["name", "project", "provider", "base_model", "version", "created_at", "retires_on"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "provider", "version"]
    search_fields = ["name", "base_model"]


@admin.register(Retirement)
class RetirementAdmin(HistoryAdmin):
    list_display = ["model", "provider", "day"]
    list_select_related = ["provider"]
    search_fields = ["model"]


class CandidateInline(HistoryInline):
    model = EvaluationCandidate
    fields = ["role", "provider", "model", "prompt", "input_price", "output_price"]


@admin.register(EvaluationRun)
class EvaluationRunAdmin(JobAdmin):
    list_display = ["id", "project", "version", "model_version", "status", "done_count", "total_count", "created_at"]
    list_filter = [ProjectFilter, "status"]
    list_select_related = ["project", "version", "model_version"]
    inlines = [CandidateInline]


@admin.register(EvaluationCandidate)
class EvaluationCandidateAdmin(HistoryAdmin):
    keys = ("run",)
    list_display = ["id", "run_id", "role", "model", "provider", "prompt"]
    list_filter = [ProjectFilter.within("run__project"), "role", "prompt"]
    list_select_related = ["provider"]
    ordering = ["-id"]
    search_help_text = "The number of an evaluation."


@admin.register(EvaluationResult)
class EvaluationResultAdmin(HistoryAdmin):
    keys = ("candidate", "example")
    list_display = [
        *["id", "candidate_id", "example_id", "repeat", "is_right", "is_exact", "is_json_equal", "fits_schema"],
        *["latency_ms", "reused_id"],
    ]
    list_filter = [ProjectFilter.within("candidate__run__project"), "is_right", "is_exact", "is_json_equal"]
    ordering = ["-id"]
    search_help_text = "The number of a candidate or of an example."


@admin.register(Grader)
class GraderAdmin(RowAdmin):
    list_display = ["name", "project", "is_deciding", "provider", "edited_by", "updated_at"]
    list_filter = [ProjectFilter, "is_deciding"]
    list_select_related = ["project", "provider", "edited_by"]
    search_fields = ["name"]
    autocomplete_fields = ["project"]


@admin.register(Judgement)
class JudgementAdmin(HistoryAdmin):
    list_display = ["id", "project", "provider", "model", "created_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "provider"]
    search_fields = ["model"]


@admin.register(Promotion)
class PromotionAdmin(HistoryAdmin):
    list_display = ["created_at", "alias_name", "kind", "previous_model", "model", "promoted_by", "note"]
    list_filter = [ProjectFilter.within("alias__project"), "kind"]
    list_select_related = ["alias", "promoted_by"]
    search_fields = ["model", "previous_model", "note"]
    date_hierarchy = "created_at"

    @admin.display(description="alias", ordering="alias__name")
    def alias_name(self, promotion: Promotion) -> str:
        return promotion.alias.name


@admin.register(GatePolicy)
class GatePolicyAdmin(RowAdmin):
    list_display = ["project", "minimum_gain", "most_chance", "most_slice_loss", "least_valid", "needs_two_people"]
    list_select_related = ["project"]
    search_fields = ["project__slug", "project__name"]
    autocomplete_fields = ["project"]


class GateCheckInline(HistoryInline):
    model = GateCheck
    fields = ["code", "verdict", "words"]


@admin.register(GateResult)
class GateResultAdmin(HistoryAdmin):
    list_display = ["id", "alias_id", "model_version_id", "compared_model", "is_passed", "created_at"]
    list_filter = [ProjectFilter.within("alias__project"), "is_passed"]
    search_fields = ["compared_model"]
    inlines = [GateCheckInline]
    date_hierarchy = "created_at"


@admin.register(GateCheck)
class GateCheckAdmin(HistoryAdmin):
    keys = ("result",)
    list_display = ["id", "result_id", "code", "verdict"]
    list_filter = [ProjectFilter.within("result__alias__project"), "code", "verdict"]
    ordering = ["-id"]
    search_help_text = "The number of a verdict."


@admin.register(Escrow)
class EscrowAdmin(JobAdmin):
    list_display = ["id", "project", "version", "model", "status", "done_count", "total_count", "created_at"]
    list_filter = [ProjectFilter, "status"]
    list_select_related = ["project", "version"]


@admin.register(EscrowAnswer)
class EscrowAnswerAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "model", "exchange_id", "created_at"]
    list_filter = [ProjectFilter.within("exchange__project")]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."


@admin.register(NoticePolicy)
class NoticePolicyAdmin(RowAdmin):
    list_display = ["project", "webhook_url", "since"]
    list_select_related = ["project"]
    autocomplete_fields = ["project"]
    readonly_fields = ["since"]


@admin.register(Notice)
class NoticeAdmin(HistoryAdmin):
    list_display = ["id", "project", "kind", "words", "created_at"]
    list_filter = [ProjectFilter, "kind"]
    list_select_related = ["project"]


@admin.register(NoticeDelivery)
class NoticeDeliveryAdmin(JobAdmin):
    list_display = ["id", "notice_id", "channel", "target", "status", "attempts", "answer", "created_at"]
    list_filter = [ProjectFilter.within("notice__project"), "channel", "status"]


@admin.register(PaybackForecast)
class PaybackForecastAdmin(HistoryAdmin):
    list_display = ["id", "project", "saving_per_day", "outlay", "break_even_on", "created_by", "created_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "created_by"]


@admin.register(PromotionRequest)
class PromotionRequestAdmin(HistoryAdmin):
    list_display = ["id", "alias_id", "model_version_id", "state", "requested_by", "decided_by", "requested_at"]
    list_filter = [ProjectFilter.within("alias__project"), "state"]
    list_select_related = ["requested_by", "decided_by"]
    search_fields = ["override_reason"]


@admin.register(Watch)
class WatchAdmin(JobAdmin):
    list_display = ["id", "promotion_id", "status", "done_count", "outcome", "created_at", "finished_at"]
    list_filter = [ProjectFilter.within("promotion__alias__project"), "status"]


@admin.register(Shadow)
class ShadowAdmin(JobAdmin):
    list_display = ["id", "alias_id", "model_version_id", "share", "status", "done_count", "total_count", "created_at"]
    list_filter = [ProjectFilter.within("alias__project"), "status"]


@admin.register(ShadowAnswer)
class ShadowAnswerAdmin(HistoryAdmin):
    keys = ("shadow", "call_id")
    list_display = ["id", "shadow_id", "call_id", "is_same", "latency_ms", "created_at"]
    list_filter = [ProjectFilter.within("shadow__alias__project"), "is_same"]
    ordering = ["-id"]
    search_help_text = "The number of a shadow, or the id of a call."


@admin.register(RetrainingPolicy)
class RetrainingPolicyAdmin(RowAdmin):
    list_display = [
        "project",
        "is_enabled",
        "schedule",
        "minimum_new_count",
        "when_better",
        "last_checked_at",
        "last_finding",
    ]
    list_filter = ["is_enabled", "when_better"]
    list_select_related = ["project"]
    search_fields = ["project__slug", "project__name"]
    autocomplete_fields = ["project"]
    readonly_fields = ["last_checked_at", "last_finding"]
    actions = ["enable", "pause"]

    @admin.action(description="Enable: retrain by itself when enough is new", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[RetrainingPolicy]) -> None:
        self.message_user(request, f"{rows.filter(is_enabled=False).update(is_enabled=True)} enabled.")

    @admin.action(description="Pause", permissions=["change"])
    def pause(self, request: HttpRequest, rows: QuerySet[RetrainingPolicy]) -> None:
        count = rows.filter(is_enabled=True).update(is_enabled=False)
        self.message_user(request, f"{count} paused. A run that has begun goes on.")


@admin.register(RetrainingCheck)
class RetrainingCheckAdmin(HistoryAdmin):
    keys = ("policy",)
    list_display = ["id", "policy_id", "due_at", "words", "is_due", "count", "last_at"]
    list_filter = [ProjectFilter.within("policy__project"), "is_due"]
    ordering = ["-id"]
    search_help_text = "The number of a policy."


@admin.register(RetrainingRun)
class RetrainingRunAdmin(JobAdmin):
    list_display = ["id", "policy_id", "trigger", "step", "status", "outcome", "created_at", "finished_at"]
    list_filter = [ProjectFilter.within("policy__project"), "status", "step", "trigger"]


@admin.register(Generation)
class GenerationAdmin(JobAdmin):
    list_display = ["id", "project", "name", "model", "status", "done_count", "total_count", "created_at"]
    list_filter = [ProjectFilter, "status"]
    list_select_related = ["project"]
    search_fields = ["name", "table_name"]
    search_help_text = "A number, or part of the name."


@admin.register(GenerationItem)
class GenerationItemAdmin(HistoryAdmin):
    keys = ("generation", "call_id")
    list_display = ["id", "generation_id", "position", "row_number", "status", "attempts", "exchange_id"]
    list_filter = [ProjectFilter.within("generation__project"), "status"]
    ordering = ["-id"]
    search_help_text = "The number of a generation, or the id of a call."


@admin.register(InputDraft)
class InputDraftAdmin(JobAdmin):
    list_display = ["id", "project", "model", "status", "wanted_count", "request_count", "created_at"]
    list_filter = [ProjectFilter, "status"]
    list_select_related = ["project"]


@admin.register(DraftedInput)
class DraftedInputAdmin(HistoryAdmin):
    keys = ("draft",)
    list_display = ["id", "draft_id"]
    list_filter = [ProjectFilter.within("draft__project")]
    ordering = ["-id"]
    search_help_text = "The number of a draft."


@admin.register(Import)
class ImportAdmin(JobAdmin):
    list_display = ["id", "project", "file_name", "kind", "status", "imported_count", "refused_count", "created_at"]
    list_filter = [ProjectFilter, "status", "kind"]
    list_select_related = ["project"]
    search_fields = ["file_name"]
    search_help_text = "A number, or part of the file's name."


@admin.register(ImportRemark)
class ImportRemarkAdmin(HistoryAdmin):
    keys = ("upload",)
    list_display = ["id", "upload_id", "line_number", "is_refusal", "reason"]
    list_filter = [ProjectFilter.within("upload__project"), "is_refusal"]
    ordering = ["-id"]
    search_help_text = "The number of an import."


@admin.register(Repair)
class RepairAdmin(JobAdmin):
    list_display = ["id", "project", "exchange_id", "model", "status", "outcome", "amount", "created_at"]
    list_filter = [ProjectFilter, "status", "outcome"]
    list_select_related = ["project"]


@admin.register(RepairPolicy)
class RepairPolicyAdmin(RowAdmin):
    list_display = ["project", "alias", "provider", "model", "requests_a_day", "dollars_a_day"]
    list_select_related = ["project", "alias", "provider"]
    search_fields = ["project__slug", "project__name"]
    autocomplete_fields = ["project"]
