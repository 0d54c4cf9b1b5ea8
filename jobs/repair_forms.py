"""What a reviewer says of an answer, and which model an owner has correct it."""

from typing import Any

from django import forms

from curation.models import Project
from curation.review_forms import EDITED_LIMIT

from .models import RepairPolicy

MOST_NOTE = 1000  # characters


class RepairForm(forms.Form):
    """The note, and the answer as it stands in the editor; without an editor the one the row teaches."""

    note = forms.CharField(max_length=MOST_NOTE, required=False)
    target = forms.CharField(required=False, strip=False, max_length=EDITED_LIMIT)
    version = forms.IntegerField()

    def clean_target(self) -> str | None:
        return self.cleaned_data["target"] if "target" in self.data else None


class RepairPolicyForm(forms.ModelForm):
    class Meta:
        model = RepairPolicy
        fields = ["alias", "provider", "model", "requests_a_day", "dollars_a_day"]
        labels = {"alias": "The model of an alias"}

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, rows in (("alias", project.aliases.all()), ("provider", project.providers.defer("sealed_key"))):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset, field.empty_label = rows, "none"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if bool(values.get("provider")) != bool(values.get("model")):
            raise forms.ValidationError("A model needs its provider, and a provider the name of the model.")
        if values.get("alias") and values.get("provider"):
            raise forms.ValidationError("Choose an alias, or a provider and its model, not both.")
        return values
