"""Whom a project tells, as people type it."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from curation.egress import AddressRefused
from curation.models.routing import validate_base_url

from .models import Notice, NoticePolicy

MOST_ADDRESSES = 20


class NoticeForm(forms.ModelForm):
    emails = forms.CharField(
        required=False,
        max_length=4000,
        label="E-mail addresses",
        widget=forms.Textarea({"rows": 3}),
        help_text="One a line.",
    )
    webhook_url = forms.CharField(
        required=False, max_length=500, label="Webhook", help_text="An https address that takes a signed POST for each."
    )
    kinds = forms.MultipleChoiceField(
        choices=[choice for choice in Notice.Kind.choices if choice[0] != Notice.Kind.TEST],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Tell when",
    )

    class Meta:
        model = NoticePolicy
        fields = ["emails", "webhook_url", "kinds"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["emails"] = "\n".join(self.instance.emails)

    def clean_emails(self) -> list[str]:
        addresses = list(dict.fromkeys(self.cleaned_data["emails"].replace(",", "\n").split()))
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(f"“{address[:80]}” is no e-mail address.") from error
        if len(addresses) > MOST_ADDRESSES:
            raise ValidationError(f"At most {MOST_ADDRESSES} addresses; a mailing list is one.")
        return addresses

    def clean_webhook_url(self) -> str:
        url: str = self.cleaned_data["webhook_url"].strip()
        if not url:
            return ""
        try:
            validate_base_url(url)
            settings.REACH.check_url(url)
        except AddressRefused as error:
            raise ValidationError(str(error)) from error
        except ValidationError as error:
            raise ValidationError("Give an https address without a password, a query or a fragment.") from error
        return url
