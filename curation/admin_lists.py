"""What the lists of the admin have in common: no long column is loaded, no large table is counted to its end."""

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import JSONField, Model, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.functional import cached_property

from .models import Project

# Counting a table of millions takes seconds; nobody turns to page 101.
MOST_LISTED = 10_000


class ShortPaginator(Paginator):
    object_list: QuerySet[Any]

    @cached_property
    def count(self) -> int:
        return self.object_list[:MOST_LISTED].count()


class ProjectFilter(admin.SimpleListFilter):
    """By project, asking for its slug only. `within` makes one for a model that reaches its project through others."""

    title = "project"
    parameter_name = "project"
    path = "project"

    @classmethod
    def within(cls, path: str) -> type["ProjectFilter"]:
        return type("ProjectFilter", (cls,), {"path": path})

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, slug) for slug in Project.objects.order_by("slug").values_list("slug", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        return queryset.filter(**{f"{self.path}__slug": self.value()}) if self.value() else queryset


def _long_columns(model: type[Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if isinstance(field, TextField | JSONField)]


class RowAdmin(admin.ModelAdmin):
    """What all lists have in common.

    No list loads a column without a limit to its length, of the row itself or of one joined to it.
    `keys` names indexed columns; a search for something that fits one of them asks the index and nothing else.
    """

    keys: tuple[str, ...] = ()
    list_per_page = 50
    paginator = ShortPaginator
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request).defer(*_long_columns(self.model))
        names = self.list_select_related
        for name in () if isinstance(names, bool) else names:
            joined = cast(type[Model], self.opts.get_field(name).related_model)
            rows = rows.defer(*(f"{name}__{column}" for column in _long_columns(joined)))
        return rows

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """What the database fills in is shown once it has: not on the form for a new row."""
        fields = list(super().get_fields(request, obj))
        return fields if obj else [name for name in fields if name not in self.get_readonly_fields(request, obj)]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        return (*self.keys, *self.search_fields)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not (self.keys and search_term):
            return super().get_search_results(request, queryset, search_term)
        if wanted := self._by_key(search_term):
            return queryset.filter(wanted), False
        if not self.search_fields:
            return queryset.none(), False
        found = Q.create([(f"{name}__icontains", search_term) for name in self.search_fields], connector=Q.OR)
        return queryset.filter(found), False

    def _by_key(self, search_term: str) -> Q:
        wanted = Q()
        columns = {field.name: field for field in self.opts.fields}
        for name in self.keys:
            try:
                wanted |= Q(**{name: columns[name].to_python(search_term)})
            except ValidationError:  # no number, no UUID: it cannot be this column
                continue
        return wanted


class HistoryAdmin(RowAdmin):
    """Rows that are only read. The database refuses to change most of them as well."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """For actions on rows that nobody edits by hand: `@admin.action(permissions=["steer"])`."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class HistoryInline(admin.TabularInline):
    """Rows of history under the row they belong to."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
