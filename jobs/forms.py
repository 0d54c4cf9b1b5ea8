"""What the machines' pages take in, and what query strings mean."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet

from curation.models import Example, Project, Provider

from .formats import choices
from .models import EvaluationCandidate, FineTune, ModelVersion
from .providers.signatures import key_of


class ModerationForm(forms.Form):
    provider = forms.ModelChoiceField(queryset=Provider.objects.none())
    model = forms.CharField(max_length=200, required=False)

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = project.providers.all()


class ModelForm(forms.Form):
    """Names one tuned model of the project."""

    model_version = forms.ModelChoiceField(queryset=ModelVersion.objects.none())

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = self.fields["model_version"]
        assert isinstance(models, forms.ModelChoiceField)
        models.queryset = project.model_versions.select_related("provider", "version")


class ApprovalForm(forms.Form):
    """A second person's word on a fine-tune."""

    decision = forms.ChoiceField(choices=[("approved", "Approve"), ("declined", "Decline")])
    reason = forms.CharField(max_length=300, required=False)


class PauseForm(forms.Form):
    verb = forms.ChoiceField(choices=[("pause", "Pause"), ("resume", "Resume")])


class FineTunesForm(forms.Form):
    """The query string of the list of fine-tunes. What it does not know is left out."""

    status = forms.ChoiceField(choices=[("", "Any"), *FineTune.Status.choices], required=False)
    provider = forms.ModelChoiceField(queryset=Provider.objects.none(), required=False, empty_label="Any")
    method = forms.ChoiceField(choices=[("", "Any"), *FineTune.Method.choices], required=False)
    base = forms.CharField(max_length=200, required=False, label="Base model")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = project.providers.all()

    def chosen(self, rows: QuerySet[FineTune]) -> QuerySet[FineTune]:
        self.is_valid()
        columns = {"status": "status", "provider": "provider", "method": "method", "base": "base_model__icontains"}
        wanted = {columns[name]: value for name, value in self.cleaned_data.items() if value}
        return rows.filter(**wanted)


class DecideForm(forms.Form):
    """What a person does about a blocked fine-tune."""

    verb = forms.ChoiceField(
        choices=[("look", "Look again"), ("relaunch", "Launch anew"), ("give_up", "Give up")],
    )


class SecretForm(forms.Form):
    """The secret by which a provider signs its webhooks."""

    secret = forms.CharField(
        min_length=16,
        max_length=200,
        label="Signing secret",
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Begins with whsec_. Kept sealed, and never shown again.",
    )

    def clean_secret(self) -> str:
        secret: str = self.cleaned_data["secret"]
        try:
            key = key_of(secret)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        if len(key) < 12:
            raise forms.ValidationError("A secret this short can be guessed.")
        return secret


class FileForm(forms.Form):
    """The query string of a download."""

    split = forms.ChoiceField(choices=Example.Split.choices)
    format = forms.ChoiceField(choices=choices)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["as"] = forms.ChoiceField(  # a word of Python's own
            choices=[("", "As it is"), ("gz", "Gzipped"), ("manifest", "Manifest")], required=False
        )


class CasesForm(forms.Form):
    """The query string of an evaluation's cases."""

    show = forms.ChoiceField(
        choices=[("", "All"), ("fixed", "Fixed"), ("broken", "Broken"), ("same", "Same"), ("must", "Must pass")],
        required=False,
    )
    # Two candidates to hold against each other, and a part of the cases: a kind and its name.
    before = forms.TypedChoiceField(required=False, empty_value=None)
    after = forms.TypedChoiceField(required=False, empty_value=None)
    kind = forms.ChoiceField(choices=[("tag", "Tag"), ("reason", "Reason"), ("region", "Region")], required=False)
    name = forms.CharField(max_length=200, required=False)
    page = forms.IntegerField(min_value=1, max_value=100_000, required=False)

    def __init__(self, candidates: Sequence[EvaluationCandidate], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {str(candidate.pk): candidate for candidate in candidates}
        for name in ("before", "after"):
            field = self.fields[name]
            assert isinstance(field, forms.TypedChoiceField)
            field.choices, field.coerce = [(pk, pk) for pk in known], known.__getitem__
