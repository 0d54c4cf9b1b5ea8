"""Which models are compared, on what, how often and for how much."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BaseFormSet, formset_factory

from curation.models import DatasetVersion, Project, Provider

from .evaluations import Contender, Wish
from .models import EvaluationCandidate, EvaluationRun

MOST_CONTENDERS = 6
Prompt = EvaluationCandidate.Prompt


class ContenderForm(forms.Form):
    """One candidate; a row without a model is none."""

    provider = forms.ModelChoiceField(queryset=Provider.objects.none(), empty_label=None)
    model = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput({"list": "models", "autocomplete": "off"})
    )
    prompt = forms.ChoiceField(choices=Prompt.choices, label="System prompt")

    def __init__(self, *args: Any, project: Project, providers: Sequence[Provider], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = project.providers.all()
        # Read once for all rows; the field would read them for each.
        provider.widget.choices = [(each.pk, str(each)) for each in providers]

    def has_changed(self) -> bool:
        """Whether the row names a model: a choice in its lists alone says nothing."""
        return bool(str(self.data.get(self.add_prefix("model"), "")).strip())


class ContenderForms(BaseFormSet):
    def clean(self) -> None:
        named = [
            (form.cleaned_data["provider"], form.cleaned_data["model"], form.cleaned_data["prompt"])
            for form in self.forms
            if form.has_changed() and form.is_valid()
        ]
        if not named:
            raise forms.ValidationError("Name at least one model.")
        if len(set(named)) < len(named):
            raise forms.ValidationError("The same model with the same prompt is named twice.")

    @property
    def contenders(self) -> list[dict[str, Any]]:
        return [form.cleaned_data for form in self.forms if form.has_changed()]


ContenderFormSet = formset_factory(ContenderForm, formset=ContenderForms, extra=0, max_num=MOST_CONTENDERS)


class CompareForm(forms.ModelForm):
    """The rest of a comparison."""

    prompt_text = forms.CharField(
        required=False,
        max_length=100_000,
        label="Another prompt",
        widget=forms.Textarea({"rows": 3}),
        help_text="The system prompt of the candidates above that say so.",
    )

    class Meta:
        model = EvaluationRun
        fields = ["version", "repeats", "per_minute", "budget", "measures_first_token", "asks_again"]
        labels = {
            "version": "Held-out cases of",
            "repeats": "Times each case is asked",
            "per_minute": "Calls a minute",
            "budget": "Budget, US dollars",
            "measures_first_token": "Time the first token",
            "asks_again": "Ask again what was asked before",
        }

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        version = self.fields["version"]
        assert isinstance(version, forms.ModelChoiceField)
        version.queryset = DatasetVersion.objects.filter(project=project, test_count__gt=0).defer("training_prompt")
        version.to_field_name = "number"
        version.empty_label = None

    def wish(self, contenders: ContenderForms) -> Wish:
        """What both forms say together; both must be valid."""
        data = dict(self.cleaned_data)
        text = data.pop("prompt_text")
        return Wish(
            contenders=[
                Contender(
                    each["provider"],
                    each["model"],
                    each["prompt"],
                    text if each["prompt"] == Prompt.OWN else "",
                )
                for each in contenders.contenders
            ],
            **data,
        )


class BudgetForm(forms.Form):
    budget = forms.DecimalField(max_digits=10, decimal_places=4, min_value=Decimal("0.0001"))
