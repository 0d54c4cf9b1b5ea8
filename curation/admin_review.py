"""The review's rows, for administrators: who holds what, what was decided, and what brings a row forward."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from .admin_lists import HistoryAdmin, ProjectFilter, RowAdmin
from .models import (
    Attention,
    AttentionRule,
    BulkChange,
    BulkRow,
    Coverage,
    Disagreement,
    Draft,
    MustPass,
    Pair,
    Review,
    ReviewOrder,
    ReviewSlot,
    RowRegion,
    SavedView,
    SearchDue,
    SearchText,
    Tag,
    Takeover,
)


@admin.register(ReviewSlot)
class ReviewSlotAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "project", "exchange_id", "position", "priority", "reviewer", "claimed_until", "done_at"]
    list_filter = [ProjectFilter, ("done_at", admin.EmptyFieldListFilter), ("reviewer", admin.EmptyFieldListFilter)]
    list_select_related = ["project", "reviewer"]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."
    actions = ["release"]

    @admin.action(description="Release what is held: the next reviewer may take it", permissions=["steer"])
    def release(self, request: HttpRequest, rows: QuerySet[ReviewSlot]) -> None:
        held = rows.filter(done_at=None, claim_token__isnull=False)
        count = held.update(reviewer=None, claim_token=None, claimed_until=None)
        self.message_user(request, f"{count} released.")


@admin.register(Review)
class ReviewAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "created_at", "project", "exchange_id", "verb", "via", "reviewer", "source"]
    list_filter = [ProjectFilter, "verb", "via"]
    list_select_related = ["project", "reviewer"]
    search_fields = ["reviewer__username"]
    search_help_text = "The number of an exchange, or a reviewer's name."


@admin.register(MustPass)
class MustPassAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["exchange_id", "project", "marked_by", "note", "created_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "marked_by"]
    search_help_text = "The number of an exchange."


@admin.register(Draft)
class DraftAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "exchange_id", "reviewer", "exchange_version", "saved_at"]
    list_select_related = ["reviewer"]
    search_help_text = "The number of an exchange."


@admin.register(Takeover)
class TakeoverAdmin(HistoryAdmin):
    keys = ("slot",)
    list_display = ["id", "slot_id", "taken_by", "taken_from", "created_at"]
    list_select_related = ["taken_by", "taken_from"]
    search_help_text = "The number of a slot."


@admin.register(Tag)
class TagAdmin(RowAdmin):
    list_display = ["name", "project"]
    list_filter = [ProjectFilter]
    list_select_related = ["project"]
    raw_id_fields = ["exchanges"]
    search_fields = ["name"]


@admin.register(Attention)
class AttentionAdmin(HistoryAdmin):
    list_display = ["project", "score_threshold", "included_count", "looked_at", "counted_at", "busy_until"]
    list_filter = [ProjectFilter]
    list_select_related = ["project"]
    ordering = ["project"]


@admin.register(AttentionRule)
class AttentionRuleAdmin(RowAdmin):
    list_display = ["id", "project", "part", "test", "words", "weight", "created_by"]
    list_filter = [ProjectFilter, "part", "test"]
    list_select_related = ["project", "created_by"]
    search_fields = ["words"]
    autocomplete_fields = ["project"]
    readonly_fields = ["created_by", "created_at"]


@admin.register(Disagreement)
class DisagreementAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "exchange_id", "model", "noted_at"]
    list_filter = [ProjectFilter.within("exchange__project")]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."


@admin.register(ReviewOrder)
class ReviewOrderAdmin(HistoryAdmin):
    list_display = ["id", "project", "user", "kind", "sample_percent"]
    list_filter = [ProjectFilter, "kind"]
    list_select_related = ["project", "user"]
    ordering = ["-id"]


@admin.register(SavedView)
class SavedViewAdmin(HistoryAdmin):
    list_display = ["id", "project", "user", "name", "query", "is_shared", "created_at"]
    list_filter = [ProjectFilter, "is_shared"]
    list_select_related = ["project", "user"]
    search_fields = ["name"]


@admin.register(BulkChange)
class BulkChangeAdmin(HistoryAdmin):
    keys = ("id",)
    list_display = ["id", "created_at", "project", "user", "verb", "status", "total_count", "moved_at"]
    list_filter = [ProjectFilter, "verb", "status"]
    list_select_related = ["project", "user"]
    search_help_text = "The number of a bulk change."


@admin.register(BulkRow)
class BulkRowAdmin(HistoryAdmin):
    keys = ("bulk", "exchange")
    list_display = ["id", "bulk_id", "exchange_id", "version", "outcome", "review_id"]
    list_filter = [ProjectFilter.within("bulk__project"), "outcome"]
    ordering = ["-id"]
    search_help_text = "The number of a bulk change or of an exchange."


@admin.register(Coverage)
class CoverageAdmin(HistoryAdmin):
    list_display = ["project", "sampled_count", "placed_id", "counted_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project"]
    ordering = ["project"]


@admin.register(RowRegion)
class RowRegionAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["exchange_id", "project", "region"]
    list_filter = [ProjectFilter, "region"]
    list_select_related = ["project"]
    ordering = ["-exchange"]
    search_help_text = "The number of an exchange."


@admin.register(SearchText, SearchDue)
class SearchAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["exchange_id", "project"]
    list_filter = [ProjectFilter]
    list_select_related = ["project"]
    ordering = ["-exchange"]
    search_help_text = "The number of an exchange."


@admin.register(Pair)
class PairAdmin(HistoryAdmin):
    keys = ("first", "second")
    list_display = ["id", "project", "first_id", "second_id", "state", "settled_by", "settled_at", "created_at"]
    list_filter = [ProjectFilter, "state"]
    list_select_related = ["project", "settled_by"]
    ordering = ["-id"]
    search_help_text = "The number of one of its exchanges."
