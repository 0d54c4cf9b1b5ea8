"""What people keep about lists of rows."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .access import Project, User


class SavedView(models.Model):
    """A search with a name: the query string of the list of rows. A person's own, or the whole project's."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="saved_views")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "user", "name"], name="saved_view_name_once"),
            models.CheckConstraint(name="saved_view_has_name", condition=~Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name
