"""What people send about versions: waivers, training prompts, and what a comparison is against."""

from django import forms

from .findings import UNWAIVABLE
from .models import Example, Exchange, Project


class WaiverForm(forms.Form):
    """A blocker let pass, for one row in one state, with the reason."""

    exchange = forms.IntegerField(widget=forms.HiddenInput)
    exchange_version = forms.IntegerField(widget=forms.HiddenInput)
    code = forms.SlugField(max_length=32, widget=forms.HiddenInput)
    reason = forms.CharField(max_length=300, label="Why it is all right")

    def clean_code(self) -> str:
        code = self.cleaned_data["code"]
        if code in UNWAIVABLE:
            raise forms.ValidationError("This cannot be waived. Exclude the row, or correct it.")
        return code

    def row_of(self, project: Project) -> Exchange | None:
        """The row in the state that was looked at; None when it has changed since."""
        rows = project.exchanges.included().filter(version=self.cleaned_data["exchange_version"])
        return rows.defer("messages", "user_prompt").filter(pk=self.cleaned_data["exchange"]).first()


class ExamplesForm(forms.Form):
    """Which examples of a version a page shows: one side of the split, from a line on, and one line in full."""

    split = forms.ChoiceField(choices=Example.Split.choices, required=False)
    start = forms.IntegerField(required=False, min_value=1)
    line = forms.IntegerField(required=False, min_value=1)


class AgainstForm(forms.Form):
    """Which version another one is compared with."""

    against = forms.IntegerField(min_value=1, required=False)


class TrainingForm(forms.ModelForm):
    """What is taught in place of the captured system prompts, and what is put aside for validation."""

    validation_share = forms.IntegerField(
        min_value=0,
        max_value=50,
        label="Put aside for validation, percent of the training rows",
        help_text="For trainers that want a validation file. 0: none. What is held out for tests stays apart.",
    )

    class Meta:
        model = Project
        fields = ["training_prompt", "keeps_captured_prompt", "validation_share"]
        widgets = {"training_prompt": forms.Textarea({"rows": 3})}


class VariantForm(forms.Form):
    """A training prompt for one captured system prompt; empty takes it back."""

    digest = forms.RegexField("^[0-9a-f]{64}$", widget=forms.HiddenInput)
    training_prompt = forms.CharField(required=False, widget=forms.Textarea({"rows": 2}))
