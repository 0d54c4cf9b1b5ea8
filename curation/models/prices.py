"""What a service charges this project, where the profile does not say it or says it wrong for you."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now

from .access import User
from .routing import Provider


class TypedPrice(models.Model):
    """US dollars for a million tokens of one model at one provider, as a person typed them. Null: not typed."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="typed_prices")
    model = models.CharField(max_length=200)
    train = models.DecimalField(
        "training", max_digits=9, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    input = models.DecimalField(
        "prompt", max_digits=9, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    output = models.DecimalField(
        "answer", max_digits=9, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    typed_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    typed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["provider", "model"]
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="typed_price_once")]

    def __str__(self) -> str:
        return f"{self.model} at {self.provider}"
