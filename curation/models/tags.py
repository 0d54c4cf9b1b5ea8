"""Words that people put on rows to find them again."""

from django.db import models

from .access import Project


class Tag(models.Model):
    """A word of a project. It says nothing about whether a row is taught, so no row's version rises with it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(max_length=40)
    exchanges = models.ManyToManyField("curation.Exchange", related_name="tags", blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="tag_once")]

    def __str__(self) -> str:
        return self.name
