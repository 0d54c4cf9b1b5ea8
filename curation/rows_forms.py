"""The query string of a list of rows, and what people keep of it."""

from typing import Any

from django import forms
from django.http import QueryDict

from .models import BulkChange, Exchange, Membership, Project, SavedView, User
from .search import NAMES, Filters
from .signals import NAMES as SIGNALS

ANY = ("", "any")
_DATE = forms.DateInput(attrs={"type": "date"})


class FilterForm(forms.Form):
    """Which rows; what makes no sense counts as not given."""

    q = forms.CharField(max_length=200, required=False, label="Words in prompt or answer")
    state = forms.ChoiceField(choices=[ANY, *Exchange.State.choices], required=False, label="State")
    split = forms.ChoiceField(choices=[ANY, *Exchange.Split.choices], required=False, label="Goes into")
    reason = forms.ChoiceField(choices=[ANY, *SIGNALS.items()], required=False, label="Needs a look because")
    seen = forms.IntegerField(min_value=2, max_value=2_000_000_000, required=False, label="Asked at least, times")
    model = forms.CharField(max_length=200, required=False, label="Answered by the model")
    tag = forms.CharField(max_length=40, required=False, label="With the tag")
    region = forms.IntegerField(min_value=1, max_value=1000, required=False, label="In the region, by its number")
    since = forms.DateField(required=False, label="Last asked from", widget=_DATE)
    until = forms.DateField(required=False, label="Last asked to", widget=_DATE)
    differs = forms.BooleanField(required=False, label="Answered differently")

    def clean_q(self) -> str:
        return self.cleaned_data["q"].replace("\x00", "")

    def clean_tag(self) -> str:
        return " ".join(self.cleaned_data["tag"].replace("\x00", "").lower().split())

    def clean_model(self) -> str:
        return self.cleaned_data["model"].replace("\x00", "")

    def filters(self) -> Filters:
        self.is_valid()
        empty = Filters()
        return Filters(**{name: self.cleaned_data.get(name) or getattr(empty, name) for name in NAMES})


class PageForm(forms.Form):
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    bulk = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ["name", "is_shared"]
        labels = {"name": "Name", "is_shared": "For everybody in the project"}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        view = self.instance
        same_name = SavedView.objects.filter(project=view.project, user=view.user, name=values.get("name"))
        if same_name.exists():
            self.add_error("name", "You have a view of this name already. Take another, or remove that one first.")
        return values


class BulkForm(forms.Form):
    """A verdict on ticked rows (`row` is "id:version", many times) or on all that a query finds."""

    verb = forms.ChoiceField(choices=BulkChange._meta.get_field("verb").choices or [])
    all_found = forms.BooleanField(required=False)
    query = forms.CharField(max_length=1000, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        assert isinstance(self.data, QueryDict)
        values["row"] = [pair for text in self.data.getlist("row") if (pair := _pair(text))]
        if not values["row"] and not values.get("all_found"):
            self.add_error(None, "No row is ticked.")
        return values


class AssignForm(forms.Form):
    """Who gets the ticked rows, or all that a query finds, by name; empty for anybody. The page lists no names: who
    reviews is not to be seen beside rows that several people decide.
    """

    person = forms.ModelChoiceField(User.objects.none(), to_field_name="username", required=False)
    all_found = forms.BooleanField(required=False)
    query = forms.CharField(max_length=1000, required=False)

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["person"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = reviewers_of(project)

    def ticked(self) -> list[int]:
        assert isinstance(self.data, QueryDict)
        return [pair[0] for text in self.data.getlist("row") if (pair := _pair(text))]


def reviewers_of(project: Project) -> Any:
    """Who may decide rows of the project, by name."""
    able = {"memberships__project": project, "memberships__role__gte": Membership.Role.REVIEWER}
    return User.objects.filter(**able).order_by("username")


def _pair(text: str) -> tuple[int, int] | None:
    pk, _, version = text.partition(":")
    if all(part.isascii() and part.isdecimal() and len(part) < 19 for part in (pk, version)):
        return int(pk), int(version)
    return None
