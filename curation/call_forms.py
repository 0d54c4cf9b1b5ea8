"""The query string of the list of calls."""

from typing import Any

from django import forms

from .calls import NAMES, CallFilters
from .models import LoggedCall

_ANY = ("", "any")
_DATE = forms.DateInput(attrs={"type": "date"})


class CallsForm(forms.Form):
    """Which calls; what makes no sense counts as not given."""

    q = forms.CharField(max_length=200, required=False, label="Words in prompt or answer, or an id")
    outcome = forms.ChoiceField(choices=[_ANY, *LoggedCall.Outcome.choices], required=False, label="Outcome")
    source = forms.ChoiceField(choices=[_ANY, *LoggedCall.Source.choices], required=False, label="Came through")
    model = forms.CharField(max_length=200, required=False, label="Model, asked for or serving")
    tag = forms.CharField(max_length=50, required=False, label="With the tag")
    since = forms.DateField(required=False, label="From", widget=_DATE)
    until = forms.DateField(required=False, label="To", widget=_DATE)

    def filters(self) -> CallFilters:
        self.is_valid()
        empty = CallFilters()
        values: dict[str, Any] = {name: self.cleaned_data.get(name) or getattr(empty, name) for name in NAMES}
        for name, value in values.items():
            values[name] = value.replace("\0", "") if isinstance(value, str) else value
        return CallFilters(**values)


class PlaceForm(forms.Form):
    """From which call on."""

    before_at = forms.DateTimeField(required=False)
    before = forms.UUIDField(required=False)
