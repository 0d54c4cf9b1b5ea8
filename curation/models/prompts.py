from django.db import models
from django.db.models import Q

from .access import Project


class PromptVariant(models.Model):
    """A captured system prompt that has a training prompt of its own, because it asks for something else than the
    project's others. Examples that were captured with it are taught with that.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompt_variants")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the captured system prompt.")
    captured = models.TextField()
    training_prompt = models.TextField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "digest"], name="prompt_variant_once"),
            models.CheckConstraint(name="prompt_variant_says_something", condition=~Q(training_prompt="")),
        ]

    def __str__(self) -> str:
        return f"prompt variant {self.pk}"
