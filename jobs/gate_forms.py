"""What the pages of models and their gate take in."""

from typing import Any

from django import forms

from curation.models import ModelAlias, Project

from .forms import ModelForm
from .models import GatePolicy


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


class AliasForm(forms.Form):
    """The query string of a model's page at the gate: which alias it would be moved to."""

    alias = forms.ModelChoiceField(queryset=ModelAlias.objects.none(), required=False, to_field_name="name")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        aliases = self.fields["alias"]
        assert isinstance(aliases, forms.ModelChoiceField)
        aliases.queryset = project.aliases.select_related("provider", "project")


class GateForm(forms.ModelForm):
    class Meta:
        model = GatePolicy
        fields = [
            "minimum_gain", "most_chance", "most_slice_loss", "least_valid", "most_p95_ms", "most_price",
            "needs_two_people", "watches",
        ]  # fmt: skip
