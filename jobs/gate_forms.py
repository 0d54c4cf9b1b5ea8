"""What the pages of models and their gate take in."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from django import forms

from curation.models import ModelAlias, Project

from .forms import ModelForm
from .models import GatePolicy, ModelVersion


class PromoteForm(ModelForm):
    alias = forms.ModelChoiceField(queryset=ModelAlias.objects.none())
    share = forms.IntegerField(min_value=1, max_value=100, required=False)
    override_reason = forms.CharField(max_length=300, required=False)

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(project, *args, **kwargs)
        aliases = self.fields["alias"]
        assert isinstance(aliases, forms.ModelChoiceField)
        aliases.queryset = project.aliases.select_related("provider", "project")


class ShadowForm(ModelForm):
    """A model that answers beside an alias unseen."""

    alias = forms.ModelChoiceField(queryset=ModelAlias.objects.none())
    share = forms.IntegerField(min_value=1, max_value=100, initial=10, label="Percent of the calls")
    most = forms.IntegerField(min_value=1, max_value=1_000_000, initial=1000, label="Calls at most, each is paid for")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(project, *args, **kwargs)
        aliases = self.fields["alias"]
        assert isinstance(aliases, forms.ModelChoiceField)
        aliases.queryset = project.aliases.select_related("provider", "project")

    def offering(self, models: Iterable[ModelVersion], aliases: Iterable[ModelAlias]) -> Self:
        """With the choices at hand, so that they are not read again."""
        for name, rows in (("model_version", models), ("alias", aliases)):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.widget.choices = [("", field.empty_label), *((row.pk, str(row)) for row in rows)]
        return self


class AliasForm(forms.Form):
    """The query string of a model's page at the gate: which alias it would be moved to."""

    alias = forms.TypedChoiceField(required=False, empty_value=None)

    def __init__(self, aliases: Sequence[ModelAlias], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {alias.name: alias for alias in aliases}
        field = self.fields["alias"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices, field.coerce = [(name, name) for name in known], known.__getitem__


class GateForm(forms.ModelForm):
    class Meta:
        model = GatePolicy
        fields = [
            "minimum_gain", "most_chance", "most_slice_loss", "least_valid", "most_p95_ms", "most_price",
            "needs_two_people", "watches",
        ]  # fmt: skip
