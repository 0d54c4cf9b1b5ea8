"""A form field for JSON that people type."""

from typing import Any

from django import forms


class JSONField(forms.JSONField):
    """Django's own ends in a RecursionError where brackets stand in brackets without end; here it is said in words."""

    def to_python(self, value: Any) -> Any:
        try:
            return super().to_python(value)
        except RecursionError as error:
            raise forms.ValidationError("This is nested too deeply.") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except RecursionError:
            return data

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return super().has_changed(initial, data)
        except RecursionError:
            return True
