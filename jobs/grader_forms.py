"""A grader as it is written down."""

import json
from typing import Any

from django import forms

from curation.json_fields import JSONField
from curation.models import Project

from .graders import fault_in_definition, is_judge
from .models import Grader

MOST_LETTERS = 50_000


class DefinitionField(JSONField):
    def prepare_value(self, value: Any) -> Any:
        """A key a line, so that it can be edited."""
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


class GraderForm(forms.ModelForm):
    definition = DefinitionField(widget=forms.Textarea({"rows": 10, "spellcheck": "false", "class": "mono"}))

    class Meta:
        model = Grader
        fields = ["name", "definition", "provider", "is_deciding"]
        labels = {"is_deciding": "Decides what is right", "provider": "Whose model is asked"}
        help_texts = {
            "provider": "For a score_model alone.",
            "is_deciding": "In evaluations from now on, in place of the project's answer format.",
        }

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.project = project
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = project.providers.all()

    def clean_definition(self) -> Any:
        definition = self.cleaned_data["definition"]
        if len(json.dumps(definition)) > MOST_LETTERS:
            raise forms.ValidationError("A grader of more than 50,000 letters is too long.")
        if fault := fault_in_definition(definition):
            raise forms.ValidationError(fault)
        return definition

    def clean(self) -> None:
        super().clean()
        others = Grader.objects.filter(project=self.instance.project).exclude(pk=self.instance.pk)
        if others.filter(name=self.cleaned_data.get("name")).exists():
            self.add_error("name", "Another grader has this name.")
        if is_judge(self.cleaned_data.get("definition")):
            if self.cleaned_data.get("is_deciding"):
                self.add_error("is_deciding", "A model's opinion never decides.")
            if self.cleaned_data.get("provider") is None:
                self.add_error("provider", "Choose whose model is asked.")
        if self.cleaned_data.get("is_deciding") and (other := others.filter(is_deciding=True).first()):
            self.add_error("is_deciding", f"“{other}” decides already; take that from it first.")
