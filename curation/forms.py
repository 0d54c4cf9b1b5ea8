"""What people send. Each form says in words what is wrong with it."""

from typing import Any

from django import forms

from . import profiles
from .models import ApiKey, Membership, Project, Provider, TypedPrice, User
from .models.routing import validate_base_url, validate_reach


class FreezeForm(forms.Form):
    note = forms.CharField(
        max_length=200, required=False, label="Note", help_text="What is special about it, if anything."
    )


def read_query(form: forms.Form) -> dict[str, Any]:
    """The valid values of a query-string form; an invalid one counts as not given."""
    form.is_valid()
    return {name: form.cleaned_data.get(name) or None for name in form.fields}


class ProjectForm(forms.ModelForm):
    """What a project is about. The split key and the slug are for life and have no field."""

    test_share = forms.IntegerField(
        min_value=1, max_value=90, label="Held out for tests, percent", help_text="Applies to prompts not seen yet."
    )

    class Meta:
        model = Project
        fields = ["name", "instructions", "training_prompt", "answer_format", "test_share", "default_provider"]
        labels = {
            "instructions": "Instructions for reviewers",
            "default_provider": "Provider that answers",
        }
        help_texts = {
            "answer_format": "In a JSON project only valid JSON can be included, and answers are compared by value.",
            "default_provider": "Where calls go whose model is none of this project's aliases.",
        }
        widgets = {"instructions": forms.Textarea({"rows": 4}), "training_prompt": forms.Textarea({"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["default_provider"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = self.instance.providers.all()
        choice.empty_label = None
        choice.required = True


class NewProjectForm(forms.Form):
    """A project with its first provider. `settings` are the arguments of `create_project`."""

    name = forms.CharField(max_length=120)
    slug = forms.SlugField(
        max_length=50, label="Short name", help_text="For addresses and callers: small letters, digits and hyphens."
    )
    training_prompt = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text="The short system prompt that replaces the captured one in every training example. Can wait.",
    )
    answer_format = forms.ChoiceField(choices=Project.AnswerFormat.choices, label="Answers are")
    provider_url = forms.CharField(
        max_length=200,
        required=False,
        label="Provider's address",
        validators=[validate_base_url, validate_reach],
        help_text="Of any service that speaks OpenAI's protocol, ending in /v1. Left empty, the trainer of this "
        "installation answers and trains.",
    )
    provider_key = forms.CharField(
        required=False,
        label="Provider's key",
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Kept sealed, and never shown again.",
    )
    base_model = forms.CharField(
        max_length=200, required=False, label="Base model", help_text="What answers before anything is tuned."
    )

    def clean_slug(self) -> str:
        slug = self.cleaned_data["slug"].lower()
        if slug == "new":
            raise forms.ValidationError("“new” is the address of this page. Choose another short name.")
        if Project.objects.filter(slug=slug).exists():
            raise forms.ValidationError("There is a project of this name already. Choose another short name.")
        return slug

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("provider_url") and not values.get("base_model"):
            self.add_error("base_model", "Name the model of this provider that answers for now.")
        if values.get("provider_key") and not values.get("provider_url"):
            self.add_error("provider_url", "A key needs the address it is for; this installation's trainer needs none.")
        return values

    @property
    def settings(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if value}


class ProviderForm(forms.ModelForm):
    key = forms.CharField(
        required=False,
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Kept sealed, and never shown again. Empty leaves the present key.",
    )

    class Meta:
        model = Provider
        fields = ["name", "kind", "base_url", "profile_key", "base_model"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not choices of the column: a new file of facts needs no migration.
        known = [(key, name) for key, name in profiles.choices() if key != profiles.LOCAL]
        self.fields["profile_key"] = forms.ChoiceField(
            choices=[("", "Told by its address"), *known],
            required=False,
            label="Kind of service",
            help_text="What is known of its models, limits, prices and closing days.",
        )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        is_local = values.get("kind") == Provider.Kind.LOCAL_TRAINER
        if is_local:
            values["base_url"] = values["profile_key"] = ""
        elif not values.get("base_url") and "base_url" not in self.errors:
            self.add_error("base_url", "Give the address that ends in /v1.")
        others = Provider.objects.filter(project=self.instance.project, name=values.get("name"))
        if others.exclude(pk=self.instance.pk).exists():
            self.add_error("name", "This project has a provider of that name already.")
        return values

    def save(self, commit: bool = True) -> Provider:
        if self.cleaned_data["key"]:
            self.instance.seal_key(self.cleaned_data["key"])
        return super().save(commit)


class PriceForm(forms.ModelForm):
    """What one model costs at a provider; an empty figure is the profile's."""

    class Meta:
        model = TypedPrice
        fields = ["model", "train", "input", "output"]


class SpendingForm(forms.ModelForm):
    """What training may cost, and who has to agree."""

    class Meta:
        model = Project
        fields = ["monthly_budget", "launches_need_approval"]


class MemberForm(forms.Form):
    """A person by name, and a role. `user` is set once the form is valid."""

    username = forms.CharField(max_length=150, label="Person", widget=forms.TextInput({"autocomplete": "off"}))
    role = forms.TypedChoiceField(
        choices=Membership.Role.choices, coerce=int, initial=Membership.Role.REVIEWER, empty_value=None
    )

    def clean_username(self) -> str:
        username = self.cleaned_data["username"]
        self.user = User.objects.filter(username=username, is_active=True).first()
        if self.user is None:
            raise forms.ValidationError("Nobody here has this name. An administrator makes accounts, under Users.")
        return username


class RoleForm(forms.Form):
    """A member's new role; empty takes the person out of the project."""

    role = forms.TypedChoiceField(
        choices=[*Membership.Role.choices, ("", "Remove")], coerce=int, required=False, empty_value=None
    )


class MaskingForm(forms.ModelForm):
    """What is masked before a call is stored. A form of its own: a page that does not show it cannot switch it off."""

    class Meta:
        model = Project
        fields = ["redacts_secrets", "redacts_cards", "redacts_emails", "redacts_phones"]
        labels = {
            "redacts_secrets": "API keys, tokens and passwords",
            "redacts_cards": "Card numbers",
            "redacts_emails": "E-mail addresses",
            "redacts_phones": "Phone numbers",
        }


class KeyForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="Which application will call with it.")
    scopes = forms.MultipleChoiceField(
        choices=ApiKey.Scope.choices,
        initial=ApiKey.Scope.values,
        widget=forms.CheckboxSelectMultiple,
        label="Good for",
        error_messages={"required": "A key must be good for something."},
    )
    requests_per_minute = forms.IntegerField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        label="Requests a minute, at most",
        help_text="Counted by each gateway process for itself. Empty: as many as come.",
    )
    body_kilobytes = forms.IntegerField(
        min_value=1,
        max_value=1 << 20,
        required=False,
        label="Longest request, kilobytes",
        help_text="Empty: as long as this installation takes.",
    )
