"""Everything there is, for administrators. History can be read and never changed; what people decide in the pages of a
project (verdicts, promotions) is not decided here, so that every change leaves its row."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from . import admin_review  # noqa: F401  (registers the review's rows)
from .admin_lists import HistoryAdmin, ProjectFilter, RowAdmin
from .models import (
    Answer,
    ApiKey,
    DatasetVersion,
    Example,
    Exchange,
    Family,
    Feedback,
    LoggedCall,
    Membership,
    ModelAlias,
    Moderation,
    Project,
    PromptVariant,
    Provider,
    TypedPrice,
    User,
    VersionFinding,
    Waiver,
)

admin.site.site_header = admin.site.site_title = "Curation administration"
admin.site.index_title = "All rows"


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    fields = ["user", "role"]
    autocomplete_fields = ["user"]


admin.site.register(User, UserAdmin)


@admin.register(Project)
class ProjectAdmin(RowAdmin):
    list_display = ["slug", "name", "answer_format", "default_provider", "test_share", "created_at", "archived_at"]
    list_filter = ["answer_format", ("archived_at", admin.EmptyFieldListFilter)]
    list_select_related = ["default_provider"]
    search_fields = ["slug", "name"]
    readonly_fields = ["split_key", "created_at", "archived_at"]
    inlines = [MembershipInline]
    actions = ["archive", "bring_back"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A project needs its provider and its alias: they are made together, on the page “New project”."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        """What was captured stays; a project is archived."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> list[str]:
        # The slug is in callers' and people's hands: addresses, commands, the name of the alias.
        return ["slug", *self.readonly_fields]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "default_provider" and request.resolver_match:
            kwargs["queryset"] = Provider.objects.filter(project=request.resolver_match.kwargs.get("object_id"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.action(description="Archive: their keys open nothing, their pages stay", permissions=["change"])
    def archive(self, request: HttpRequest, rows: QuerySet[Project]) -> None:
        count = rows.filter(archived_at=None).update(archived_at=Now())
        self.message_user(request, f"{count} archived.")

    @admin.action(description="Take out of the archive", permissions=["change"])
    def bring_back(self, request: HttpRequest, rows: QuerySet[Project]) -> None:
        count = rows.exclude(archived_at=None).update(archived_at=None)
        self.message_user(request, f"{count} taken out of the archive.")


@admin.register(Membership)
class MembershipAdmin(RowAdmin):
    list_display = ["user", "project", "role", "created_at"]
    list_filter = [ProjectFilter, "role"]
    list_select_related = ["user", "project"]
    search_fields = ["user__username", "user__email"]
    autocomplete_fields = ["user", "project"]
    readonly_fields = ["created_at"]


@admin.register(ApiKey)
class ApiKeyAdmin(RowAdmin):
    list_display = ["hint", "name", "project", "created_by", "created_at", "last_used_at", "revoked_at"]
    list_filter = [ProjectFilter, ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["project", "created_by"]
    search_fields = ["name", "hint"]
    fields = [
        *["hint", "name", "project", "scopes", "requests_per_minute", "body_kilobytes"],
        *["created_by", "created_at", "last_used_at", "revoked_at"],
    ]
    readonly_fields = ["hint", "project", "scopes", "created_by", "created_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new key is shown once, on the project's own page."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Calls name their key; a key is revoked."""
        return False

    @admin.action(description="Revoke", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        count = rows.filter(revoked_at=None).update(revoked_at=Now())
        self.message_user(request, f"{count} revoked. The gateway refuses them from now on.")


class ProviderForm(forms.ModelForm):
    """The provider's key goes in here and is never shown again."""

    new_key = forms.CharField(
        required=False,
        label="Key",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Sealed before it is stored. Leave empty to keep the one there is; the local trainer needs none.",
    )
    forget_key = forms.BooleanField(required=False, label="Forget the stored key")

    class Meta:
        model = Provider
        fields = ["project", "name", "kind", "base_url", "profile_key", "base_model"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("kind") == Provider.Kind.OPENAI_COMPATIBLE and not data.get("base_url"):
            self.add_error("base_url", "An OpenAI-compatible service needs its address.")
        if data.get("new_key") and data.get("forget_key"):
            self.add_error("forget_key", "Either enter a key or forget it.")
        return data

    def save(self, commit: bool = True) -> Provider:
        if self.cleaned_data["new_key"] or self.cleaned_data["forget_key"]:
            self.instance.seal_key(self.cleaned_data["new_key"])
        return super().save(commit)


@admin.register(Provider)
class ProviderAdmin(RowAdmin):
    form = ProviderForm
    list_display = ["name", "project", "kind", "base_url", "base_model", "has_key"]
    list_filter = [ProjectFilter, "kind"]
    list_select_related = ["project"]
    search_fields = ["name", "project__slug", "base_url"]
    autocomplete_fields = ["project"]
    readonly_fields = ["has_key", "created_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> list[str]:
        # Aliases and models of its project point at it.
        return [*self.readonly_fields, *(["project"] if obj else [])]

    @admin.display(boolean=True, description="has a key")
    def has_key(self, provider: Provider) -> bool:
        return bool(provider.sealed_key)


@admin.register(TypedPrice)
class TypedPriceAdmin(RowAdmin):
    list_display = ["model", "provider", "train", "input", "output", "typed_by", "typed_at"]
    list_filter = [ProjectFilter.within("provider__project")]
    list_select_related = ["provider", "typed_by"]
    search_fields = ["model"]
    readonly_fields = ["provider", "typed_by", "typed_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


class ModelAliasForm(forms.ModelForm):
    class Meta:
        model = ModelAlias
        fields = ["project", "name", "provider", "model"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        project, provider = data.get("project"), data.get("provider")
        if project and provider and provider.project_id != project.pk:
            self.add_error("provider", f"This provider belongs to another project ({provider.project}).")
        return data


@admin.register(ModelAlias)
class ModelAliasAdmin(RowAdmin):
    form = ModelAliasForm
    list_display = ["name", "project", "provider", "model", "updated_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "provider"]
    search_fields = ["name", "model"]
    autocomplete_fields = ["project", "provider"]
    readonly_fields = ["updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: ModelAlias | None = None) -> list[str]:
        # An alias is moved on the project's page Registry, where each move leaves its Promotion.
        return [*self.readonly_fields, *(["project", "provider", "model"] if obj else [])]


@admin.register(Exchange)
class ExchangeAdmin(HistoryAdmin):
    keys = ("id",)
    list_display = ["id", "project", "state", "split", "seen_count", "answer_count", "last_seen_at", "decided_by"]
    list_filter = [ProjectFilter, "state", "split", "target_origin"]
    list_select_related = ["project", "decided_by"]
    search_fields = ["user_prompt"]
    search_help_text = "A number, or words of the prompt (choose a project first where there are many rows)."


@admin.register(Answer)
class AnswerAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "exchange_id", "model", "seen_count", "first_seen_at", "last_seen_at"]
    list_filter = [ProjectFilter.within("exchange__project")]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."


@admin.register(LoggedCall)
class LoggedCallAdmin(HistoryAdmin):
    keys = ("id", "exchange")
    list_display = [
        *["started_at", "project", "outcome", "status_code", "requested_model", "served_model", "is_stream"],
        *["duration_ms", "exchange_id", "source"],
    ]
    list_filter = [ProjectFilter, "outcome", "source", "is_stream"]
    list_select_related = ["project"]
    search_help_text = "A call's id, or the number of an exchange."


@admin.register(Feedback)
class FeedbackAdmin(HistoryAdmin):
    keys = ("id", "call_id")
    list_display = ["said_at", "project", "thumb", "score", "call_id", "own_id", "masked_count"]
    list_filter = [ProjectFilter, "thumb"]
    list_select_related = ["project"]
    search_help_text = "The id of a call, or of the feedback."


@admin.register(DatasetVersion)
class DatasetVersionAdmin(HistoryAdmin):
    list_display = ["number", "project", "train_count", "test_count", "note", "created_by", "created_at"]
    list_filter = [ProjectFilter]
    list_select_related = ["project", "created_by"]
    date_hierarchy = "created_at"
    ordering = ["-created_at"]
    search_fields = ["note", "content_hash"]


@admin.register(Example)
class ExampleAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "version", "split", "position", "exchange_id"]
    list_filter = [ProjectFilter.within("version__project"), "split"]
    list_select_related = ["version"]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."


@admin.register(Family)
class FamilyAdmin(HistoryAdmin):
    keys = ("id",)
    list_display = ["id", "project", "split", "member_count", "merged_into_id"]
    list_filter = [ProjectFilter, "split", ("merged_into", admin.EmptyFieldListFilter)]
    list_select_related = ["project"]
    ordering = ["-id"]
    search_help_text = "A family's number."


@admin.register(Waiver)
class WaiverAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "created_at", "project", "exchange_id", "code", "waived_by", "reason"]
    list_filter = [ProjectFilter, "code"]
    list_select_related = ["project", "waived_by"]
    search_help_text = "The number of an exchange."


@admin.register(VersionFinding)
class VersionFindingAdmin(HistoryAdmin):
    keys = ("exchange",)
    list_display = ["id", "version", "severity", "code", "exchange_id", "place"]
    list_filter = [ProjectFilter.within("version__project"), "severity", "code"]
    list_select_related = ["version"]
    ordering = ["-id"]
    search_help_text = "The number of an exchange."


@admin.register(Moderation)
class ModerationAdmin(HistoryAdmin):
    list_display = ["id", "project", "is_flagged", "model", "created_at"]
    list_filter = [ProjectFilter, "is_flagged"]
    list_select_related = ["project"]
    ordering = ["-id"]


@admin.register(PromptVariant)
class PromptVariantAdmin(HistoryAdmin):
    list_display = ["id", "project", "digest"]
    list_filter = [ProjectFilter]
    list_select_related = ["project"]
