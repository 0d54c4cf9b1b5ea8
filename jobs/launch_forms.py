"""What the start page of a fine-tune takes in: its fields depend on what is known of the chosen provider."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from curation.json_fields import JSONField
from curation.models import DatasetVersion, Project, Provider
from curation.profiles import Range

from .models import FineTune
from .plans import Plan

Method = FineTune.Method
SEED_MOST = 2**31 - 1


class ByNumber(forms.ModelChoiceField):
    """A dataset version of the project, sent as its number."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj}, {obj.train_count} to train on, {obj.test_count} held out"


class Hyperparameter(forms.CharField):
    """A number within its limits, or a word; empty or "auto" is left to the provider."""

    def __init__(self, limits: Range) -> None:
        super().__init__(
            required=False,
            label=limits.label,
            help_text=f"{limits.words[0].upper()}{limits.words[1:]}.",
            max_length=20,
            widget=forms.TextInput({"placeholder": "auto", "autocomplete": "off"}),
        )
        self.limits = limits

    def clean(self, value: Any) -> int | float | str | None:
        text = super().clean(value).lower()
        if text in ("", "auto"):
            return None
        if self.limits.choices:
            if text not in self.limits.choices:
                raise forms.ValidationError(f"One of: {self.limits.words}.")
            return text
        try:
            number = float(text) if text.isascii() else float("nan")
        except ValueError:
            number = float("nan")
        if not (abs(number) < 1e9 and self.limits.takes(number)):
            raise forms.ValidationError(f"{self.help_text[:-1]}, or auto.")
        return int(number) if self.limits.is_whole else number


class LaunchForm(forms.Form):
    """Bound to a query string it is a plan to look at, bound to a sent form it is a launch."""

    version = ByNumber(queryset=DatasetVersion.objects.none(), to_field_name="number", label="Dataset version")
    provider = forms.ModelChoiceField(queryset=Provider.objects.none(), required=False, empty_label=None)
    base_model = forms.CharField(
        max_length=200, required=False, label="Base model", widget=forms.TextInput({"list": "bases"})
    )
    method = forms.ChoiceField(choices=Method.choices, required=False)
    suffix = forms.CharField(
        max_length=40, required=False, help_text="Becomes part of the model's name. Empty: project and version."
    )
    seed = forms.IntegerField(
        min_value=0,
        max_value=SEED_MOST,
        required=False,
        help_text="The same seed on the same file trains about the same model.",
    )
    grader = JSONField(
        required=False,
        widget=forms.Textarea({"rows": 5}),
        help_text="What answers are scored by, in OpenAI's words: an object with “type”.",
    )
    typed_price = forms.DecimalField(
        min_value=0,
        max_digits=9,
        decimal_places=4,
        required=False,
        label="Its price, US dollars for a million training tokens",
    )
    # The sum on the button that was pressed.
    expected = forms.DecimalField(min_value=0, max_digits=12, decimal_places=2, required=False)

    def __init__(self, project: Project, data: Mapping[str, Any]) -> None:
        super().__init__(dict(data.items()))
        self.project = project
        self._choose_from(project)
        self.chosen = self._provider_meant()
        self.way: str = Method.SUPERVISED
        self._follow_the_provider()
        self._offer_what_it_can()

    def _choose_from(self, project: Project) -> None:
        version, provider = self.fields["version"], self.fields["provider"]
        assert isinstance(version, forms.ModelChoiceField)
        assert isinstance(provider, forms.ModelChoiceField)
        version.queryset = project.versions.defer("training_prompt")
        provider.queryset = project.providers.all()

    def _provider_meant(self) -> Provider | None:
        sent = str(self.data.get("provider") or "")
        found = self.project.providers.filter(pk=sent).first() if sent.isdecimal() and len(sent) < 18 else None
        return found or self.project.default_provider

    def _follow_the_provider(self) -> None:
        """A base model of the provider that was chosen before means nothing at the next."""
        was = self.data.get("was")
        if self.chosen and was and was != str(self.chosen.pk):
            self.data = {**self.data, "base_model": self.chosen.base_model}

    def _offer_what_it_can(self) -> None:
        if self.chosen is None:
            return
        offered = self.chosen.profile.methods
        choice = self.fields["method"]
        assert isinstance(choice, forms.ChoiceField)
        choice.choices = [(name, Method(name).label) for name in offered]
        wanted = str(self.data.get("method") or "")
        self.way = wanted if wanted in offered else next(iter(offered))
        if wanted not in offered and "was" in self.data:
            self.data = {**self.data, "method": self.way}
        for name, limits in offered[self.way].items():
            self.fields[f"h_{name}"] = Hyperparameter(limits)
        if self.way != Method.REINFORCEMENT:
            del self.fields["grader"]

    def clean_provider(self) -> Provider:
        provider = self.cleaned_data["provider"] or self.project.default_provider
        if provider is None:
            raise forms.ValidationError("The project has no provider. Add one in its settings.")
        return provider

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        grader = values.get("grader")
        if "grader" in self.fields and grader is not None and not (isinstance(grader, dict) and grader.get("type")):
            self.add_error("grader", "An object with a “type”, for example string_check.")
        return values

    @property
    def hyperparameters(self) -> dict[str, Any]:
        sent = {name[2:]: value for name, value in self.cleaned_data.items() if name.startswith("h_")}
        return {name: value for name, value in sent.items() if value is not None}

    @property
    def plan(self) -> Plan | None:
        """As far as it can be told; None while the version or the provider is not."""
        version, provider = self.cleaned_data.get("version"), self.cleaned_data.get("provider")
        if version is None or provider is None:
            return None
        return Plan(
            version=version,
            provider=provider,
            base_model=self.cleaned_data.get("base_model") or provider.base_model,
            method=self.way,
            suffix=self.cleaned_data.get("suffix") or "",
            hyperparameters=self.hyperparameters,
            typed_price=self.cleaned_data.get("typed_price"),
        )

    @property
    def shown(self) -> Decimal:
        """The sum that stood on the button."""
        return self.cleaned_data.get("expected") or Decimal(0)

    @property
    def basics(self) -> list[forms.BoundField]:
        return [self[name] for name in ("version", "provider", "base_model", "method", "grader") if name in self.fields]

    @property
    def finer(self) -> list[forms.BoundField]:
        names = [name for name in self.fields if name.startswith("h_")]
        return [self[name] for name in (*names, "suffix", "seed")]

    @property
    def finer_is_open(self) -> bool:
        """Something in there was wished, or is wrong."""
        return any(field.value() or field.errors for field in self.finer)
