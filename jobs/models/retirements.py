from django.db import models

from curation.models import Provider


class Retirement(models.Model):
    """The day from which an untuned model answers no more: a provider's base, or what an alias is served by."""

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="retirements")
    model = models.CharField(max_length=200)
    day = models.DateField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="retirement_once")]

    def __str__(self) -> str:
        return f"{self.model} at {self.provider}: {self.day}"
