"""What the pages of generations and of written inputs take in."""

from typing import Any

from django import forms
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile

from curation.models import Exchange, Project

from .models import Generation, GenerationItem, InputDraft
from .prompts import MAX_TEMPLATE
from .tables import MAX_BYTES

MOST_PER_SECOND = 50


class TableForm(forms.Form):
    """A table as a file, or as text that was copied from a spreadsheet."""

    table = forms.FileField(
        required=False,
        allow_empty_file=True,
        label="File",
        help_text=f"CSV, TSV or JSON lines, up to {MAX_BYTES // 2**20} MB. Separator and encoding are found out.",
    )
    pasted = forms.CharField(
        required=False,
        strip=False,
        max_length=MAX_BYTES // 4,
        label="Or paste the cells",
        widget=forms.Textarea(attrs={"rows": 5}),
        help_text="As copied from a spreadsheet, the row with the columns' names first.",
    )
    name = forms.CharField(required=False, max_length=120, help_text="What to call it. Empty for the name of the file.")

    def clean(self) -> dict[str, Any]:
        file, pasted = self.cleaned_data.get("table"), self.cleaned_data.get("pasted")
        if not self.errors and not file and not pasted:
            raise forms.ValidationError("Choose a file or paste a table.")
        return self.cleaned_data

    def file(self) -> UploadedFile | ContentFile:
        """The table that was sent, whichever way."""
        return self.cleaned_data["table"] or ContentFile(self.cleaned_data["pasted"].encode(), "Pasted table")


class PaceField(forms.FloatField):
    """Prompts a second."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"min_value": 0.01, "max_value": MOST_PER_SECOND, "help_text": ""}))

    def prepare_value(self, value: Any) -> Any:
        return f"{value:g}" if isinstance(value, float) else value


class PromptsForm(forms.ModelForm):
    """The template and the settings of a draft."""

    class Meta:
        model = Generation
        fields = [
            *["name", "template", "system_prompt", "provider", "model", "separator", "skips_empty"],
            *["per_second", "request_limit", "token_limit"],
        ]
        labels = {
            "separator": "Lists are separated by",
            "skips_empty": "Leave out rows where a cell the template names is empty",
            "per_second": "Prompts a second, at most",
            "request_limit": "Stop after so many requests",
            "token_limit": "Stop after so many tokens",
        }
        help_texts = {
            "system_prompt": "Sent before each prompt, as the application would send it. Empty for none.",
            "model": "Which model answers: its name at the provider.",
            "request_limit": "Failed ones count too. Empty for no limit.",
            "token_limit": "As the provider counts; up to four answers that are under way may go beyond. "
            "Empty for no limit.",
        }
        field_classes = {"per_second": PaceField}
        widgets = {
            "template": forms.Textarea(attrs={"rows": 8, "maxlength": MAX_TEMPLATE}),
            "system_prompt": forms.Textarea(attrs={"rows": 4}),
            "model": forms.TextInput(attrs={"list": "models"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["template"].required = True
        provider = self.fields["provider"]
        assert isinstance(provider, forms.ModelChoiceField)
        provider.queryset = self.instance.project.providers.all()
        provider.empty_label = None
        for name in ("request_limit", "token_limit"):
            self.fields[name].min_value = 1  # type: ignore[attr-defined]

    def clean_template(self) -> str:
        return _one_kind_of_line_end(self.cleaned_data["template"])

    def clean_system_prompt(self) -> str:
        return _one_kind_of_line_end(self.cleaned_data["system_prompt"])


class StartForm(forms.Form):
    how = forms.ChoiceField(choices=[("sample", "A sample"), ("all", "All")])
    asks_again = forms.BooleanField(required=False)


class LimitsForm(forms.ModelForm):
    """How a generation goes on."""

    class Meta:
        model = Generation
        fields = ["per_second", "request_limit", "token_limit"]
        labels = PromptsForm.Meta.labels
        field_classes = PromptsForm.Meta.field_classes


class ItemsForm(forms.Form):
    """The query string of a generation's prompts: those that stand so, after that position."""

    show = forms.ChoiceField(choices=GenerationItem.Status.choices, required=False)
    after = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)


class InputsForm(forms.ModelForm):
    """What a model is asked to write inputs with. `likely` are the project's prompts a person may show it."""

    examples = forms.ModelMultipleChoiceField(
        queryset=Exchange.objects.none(), required=False, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = InputDraft
        fields = ["task", "provider", "model", "wanted_count", "per_request"]
        labels = {
            "task": "What the application does",
            "wanted_count": "How many",
            "per_request": "So many at a time",
        }
        help_texts = {
            "task": "And what its inputs are like: who writes them, how long they are, what must occur among them.",
            "model": "A strong one: it is to think of what the others have not seen.",
            "per_request": "Fewer at a time are more varied and cost more.",
        }
        widgets = {
            "task": forms.Textarea(attrs={"rows": 5}),
            "model": forms.TextInput(attrs={"list": "models"}),
        }

    def __init__(self, project: Project, likely: list[Exchange], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        provider, examples = self.fields["provider"], self.fields["examples"]
        assert isinstance(provider, forms.ModelChoiceField)
        assert isinstance(examples, forms.ModelMultipleChoiceField)
        provider.queryset = project.providers.all()
        provider.empty_label = None
        examples.queryset = project.exchanges.filter(pk__in=[row.pk for row in likely])

    def clean_wanted_count(self) -> int:
        return _between(self.cleaned_data["wanted_count"], 1, 2_000)

    def clean_per_request(self) -> int:
        return _between(self.cleaned_data["per_request"], 1, 100)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors and not values["task"] and not values["examples"]:
            raise forms.ValidationError("Say what the application does, or choose an example.")
        return values


class ChosenForm(forms.Form):
    """The inputs a person chose, as the ids of their rows."""

    chosen = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, ids: list[int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["chosen"]
        assert isinstance(chosen, forms.TypedMultipleChoiceField)
        chosen.choices = [(pk, "") for pk in ids]


def offered_models(project: Project) -> list[str]:
    """Names to choose from: what the providers have, what was tuned, what is served."""
    names = [
        *project.providers.values_list("base_model", flat=True),
        *project.model_versions.values_list("name", flat=True),
        *project.aliases.values_list("model", flat=True),
    ]
    return sorted(set(names))


def _one_kind_of_line_end(text: str) -> str:
    """Browsers send CR LF; a prompt has the line ends an application would send."""
    return text.replace("\r\n", "\n")


def _between(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        raise forms.ValidationError(f"Between {least} and {most:,}.")
    return number
