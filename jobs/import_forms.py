"""What the pages of imports take in."""

from typing import Any

from django import forms

from curation.models import Project, Provider

from .imports import PARTS
from .models import Import
from .uploads import MAX_BYTES


class UploadForm(forms.Form):
    file = forms.FileField(
        allow_empty_file=True,
        label="File",
        help_text="JSON lines or a table (CSV, TSV), also packed with gzip, up to "
        f"{MAX_BYTES >> 30} GB. What it is and how it is written is found out.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(f"The file has more than {MAX_BYTES >> 30} GB. Split it.")
        return file


class StoredForm(forms.Form):
    """Whose stored completions to import, and of which model."""

    provider = forms.ModelChoiceField(queryset=Provider.objects.none(), empty_label=None)
    model = forms.CharField(required=False, max_length=200, help_text="Empty for all models.")

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = project.providers.all()


class StartForm(forms.Form):
    """How a draft is imported; which column is what, where the file has columns."""

    is_strict = forms.BooleanField(required=False, label="Import nothing if any line cannot be read")

    def __init__(self, upload: Import, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"initial": upload.mapping}))
        self.has_columns = bool(upload.columns)
        for part, words in PARTS.items() if self.has_columns else ():
            is_required = part in ("prompt", "answer")
            choices = [(name, name) for name in upload.columns]
            self.fields[part] = forms.ChoiceField(
                choices=[("", "Choose one" if is_required else "None"), *choices],
                required=is_required,
                label=words.capitalize(),
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        names = [values[part] for part in PARTS if values.get(part)]
        if len(set(names)) < len(names):
            raise forms.ValidationError("Two choices are the same column.")
        return values

    def mapping(self) -> dict[str, str]:
        return {part: name for part in PARTS if (name := self.cleaned_data.get(part))}


class RemarksForm(forms.Form):
    """The query string of the remarks: those behind that one."""

    after = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
