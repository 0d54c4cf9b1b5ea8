"""What people set about the order of rows."""

from typing import Any

from django import forms

from .models import AttentionRule, ReviewOrder
from .signals import NAMES, WEIGHTS

HEAVIEST = 10


class WeightsForm(forms.Form):
    """How much each signal counts, 0 for not at all, and where scores have their threshold."""

    score_threshold = forms.FloatField(min_value=0, max_value=1, label="Threshold of scores between 0 and 1")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, name in NAMES.items():
            self.fields[code] = forms.FloatField(min_value=0, max_value=HEAVIEST, label=name)

    def weights(self) -> dict[str, float]:
        """Those that differ from the usual."""
        chosen = {code: self.cleaned_data[code] for code in WEIGHTS}
        return {code: weight for code, weight in chosen.items() if weight != WEIGHTS[code]}


class RuleForm(forms.ModelForm):
    class Meta:
        model = AttentionRule
        fields = ["part", "test", "words", "weight"]
        labels = {"part": "Rows of which", "test": "is so", "words": "Words", "weight": "count for"}

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        test, words = values.get("test"), values.get("words", "")
        if test == AttentionRule.Test.EMPTY:
            values["words"] = ""
        elif not words:
            self.add_error("words", "Say which words.")
        elif test == AttentionRule.Test.LONGER and not (words.strip().isascii() and words.strip().isdecimal()):
            self.add_error("words", "Say how many characters, as a number.")
        return values


class OrderForm(forms.Form):
    kind = forms.ChoiceField(choices=ReviewOrder.Kind.choices)
    sample_percent = forms.IntegerField(min_value=1, max_value=100, required=False)
