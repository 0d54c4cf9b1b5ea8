"""Whose answers are kept, and against whose they are held."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from curation.models import DatasetVersion, Project, Provider

from .models import Escrow


class EscrowForm(forms.Form):
    version = forms.ModelChoiceField(
        queryset=DatasetVersion.objects.none(), to_field_name="number", label="Prompts of", empty_label=None
    )
    provider = forms.ModelChoiceField(queryset=Provider.objects.none(), empty_label=None)
    model = forms.CharField(max_length=200, help_text="As the provider calls it: one that goes, or its successor.")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version, provider = self.fields["version"], self.fields["provider"]
        assert isinstance(version, forms.ModelChoiceField)
        assert isinstance(provider, forms.ModelChoiceField)
        version.queryset = project.versions.defer("training_prompt", "figures")
        provider.queryset = project.providers.all()


class AgainstForm(forms.Form):
    """The query string of a model's answers: whose are held against them."""

    against = forms.ModelChoiceField(queryset=Escrow.objects.none(), required=False)

    def __init__(self, others: QuerySet[Escrow], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["against"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = others
