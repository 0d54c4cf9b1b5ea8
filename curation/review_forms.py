"""What the review pages send."""

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import BadRequest

from .json_fields import JSONField
from .keys import REASON_KEYS, VERBS
from .models import Project, Review, User
from .schemas import is_schema

EDITED_LIMIT = 1_000_000  # characters; what a person types, not what is captured
LATER_CHOICES = [("1", "in an hour"), ("24", "tomorrow"), ("168", "in a week")]
_VIA = [(Review.Via.BUTTON, ""), (Review.Via.KEY, "")]


class VerdictForm(forms.Form):
    """The hidden half of a verdict (which row, in which state, held by which claim, which press) and the answer."""

    version = forms.IntegerField()
    slot = forms.IntegerField()
    token = forms.UUIDField(required=False)
    action = forms.UUIDField()
    via = forms.ChoiceField(choices=_VIA)
    opened_at = forms.FloatField(required=False)
    target = forms.CharField(required=False, strip=False, max_length=EDITED_LIMIT)
    later = forms.TypedChoiceField(
        choices=LATER_CHOICES, required=False, coerce=lambda hours: timedelta(hours=int(hours)), empty_value=None
    )

    def clean_target(self) -> str | None:
        """None where the page had no editor: then the answer stays as it is."""
        return self.cleaned_data["target"] if "target" in self.data else None


class UndoForm(forms.Form):
    """Which press, and which verdict where it is not the last one."""

    action = forms.UUIDField()
    via = forms.ChoiceField(choices=_VIA)
    review = forms.IntegerField(required=False)


class LeaveForm(forms.Form):
    slot = forms.IntegerField()
    token = forms.UUIDField(required=False)
    to = forms.ChoiceField(choices=[("next", ""), ("previous", "")], required=False)


class DraftForm(forms.Form):
    version = forms.IntegerField()
    target = forms.CharField(required=False, strip=False, max_length=EDITED_LIMIT)


class SecondForm(forms.Form):
    """Who should look at the row as well, by name, or anyone."""

    slot = forms.IntegerField()
    name = forms.CharField(max_length=150, required=False)
    note = forms.CharField(max_length=500, required=False)


class TagForm(forms.Form):
    """A tag to put on, or one to take off."""

    name = forms.CharField(max_length=40, required=False)
    remove = forms.CharField(max_length=40, required=False)


class EditedForm(forms.Form):
    """A third answer for both rows of a pair."""

    text = forms.CharField(required=False, strip=False, max_length=EDITED_LIMIT)


class MustPassForm(forms.Form):
    """Mark the row, with what went wrong once, or take the mark off."""

    is_marked = forms.BooleanField(required=False)
    note = forms.CharField(max_length=200, required=False)


class ActivityForm(forms.Form):
    before = forms.IntegerField(required=False, min_value=1)


class KeysForm(forms.Form):
    """A key for each verb: one character, upper case for Shift. Empty leaves the verb without one."""

    has_single_keys = forms.BooleanField(required=False, label="Single keys do something")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["has_single_keys"].initial = user.has_single_keys
        for name, verb in VERBS.items():
            self.fields[name] = forms.CharField(
                label=verb.words[0].upper() + verb.words[1:],
                initial=user.review_keys.get(name, verb.key),
                max_length=1,
                required=False,
                widget=forms.TextInput({"autocomplete": "off", "autocapitalize": "none"}),
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        taken: dict[str, str] = dict.fromkeys(REASON_KEYS, "the reasons")
        for name, verb in VERBS.items():
            key = values.get(name)
            if key and key in taken:
                self.add_error(name, f"“{key}” is the key of “{taken[key]}” already.")
            elif key:
                taken[key] = verb.words
        return values

    @property
    def own_keys(self) -> dict[str, str]:
        """Those that differ from the usual ones."""
        chosen = {name: self.cleaned_data[name] for name in VERBS}
        return {name: key for name, key in chosen.items() if key != VERBS[name].key}


class ReviewSettingsForm(forms.ModelForm):
    """What reviewers of the project choose from, and what answers must fit."""

    reasons = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text="One a line, nine at most. The keys 1 to 9 set them.",
    )

    class Meta:
        model = Project
        fields = ["reasons", "wants_reason", "second_share", "opinion_count", "reviewers_may_resolve", "answer_schema"]
        field_classes = {"answer_schema": JSONField}
        labels = {"answer_schema": "JSON Schema of the answers"}
        help_texts = {"answer_schema": "Checked while somebody types and before an answer is included. Empty: none."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["reasons"] = "\n".join(self.instance.reasons)
        if self.instance.answer_schema is None:
            self.initial["answer_schema"] = ""
        if not self.instance.is_json:
            del self.fields["answer_schema"]

    def clean_reasons(self) -> list[str]:
        lines = [" ".join(line.split()) for line in self.cleaned_data["reasons"].splitlines()]
        reasons = list(dict.fromkeys(line for line in lines if line))
        if len(reasons) > 9 or any(len(reason) > 40 for reason in reasons):
            raise forms.ValidationError("At most nine reasons of at most 40 characters each.")
        return reasons

    def clean_answer_schema(self) -> Any:
        schema = self.cleaned_data["answer_schema"] or None
        if schema is not None and not is_schema(schema):
            raise forms.ValidationError("This is no JSON Schema, or one that refers to another address.")
        return schema


def valid(form: forms.Form) -> dict[str, Any]:
    """What a form of ours sent. A person cannot fill these fields in wrongly, so a fault is the page's or a forgery."""
    if not form.is_valid():
        raise BadRequest(f"The form is incomplete: {', '.join(form.errors)}.")
    return form.cleaned_data
