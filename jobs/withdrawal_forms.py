"""What the pages of withdrawals take in."""

import re
from typing import Any

from django import forms

MOST_NUMBERS = 1000


class NamedForm(forms.Form):
    """Which rows: by their numbers, and by the own id or the tag of the calls they come from."""

    rows = forms.CharField(
        required=False,
        max_length=12_000,
        label="Numbers of rows",
        help_text="Separated by blanks or commas; the page of a row has its number.",
    )
    name = forms.CharField(
        required=False,
        max_length=200,
        label="Own id or tag of calls",
        help_text="All rows that a call of this x-curation-id or with this tag belongs to.",
    )

    def clean_rows(self) -> list[int]:
        words = re.split(r"[\s,;#]+", self.cleaned_data["rows"].strip())
        numbers = [word for word in words if word]
        if not all(word.isascii() and word.isdigit() and len(word) < 19 for word in numbers):
            raise forms.ValidationError("Numbers only, such as 12, 15 and 31.")
        if len(numbers) > MOST_NUMBERS:
            raise forms.ValidationError(f"At most {MOST_NUMBERS:,} at once.")
        return [int(word) for word in numbers]


class WithdrawForm(forms.Form):
    """What is done with the rows that were chosen from those found."""

    chosen = forms.TypedMultipleChoiceField(coerce=int, label="Rows")
    reason = forms.CharField(max_length=300, label="Why", help_text="Kept with the rows and in every evidence packet.")
    is_erasure = forms.BooleanField(
        required=False,
        label="Blank the texts too, in calls, verdicts and frozen versions",
        help_text="Cannot be undone. Hashes, times and names of reviewers stay.",
    )
    wants_retraining = forms.BooleanField(required=False, label="Train anew without them when that is done")

    def __init__(self, found: list[int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["chosen"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(pk, str(pk)) for pk in found]
