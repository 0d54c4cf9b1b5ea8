"""What rows say, kept beside them for the search."""

from django.db import models

from .access import Project
from .exchanges import Exchange


class SearchText(models.Model):
    """The words of a row that its search goes through: of its prompt, and of the answer that would be taught.

    The indexes of the search are by far the dearest. Were they the row's own, each verdict and each repeated call would
    pay for them anew.
    """

    exchange = models.OneToOneField(Exchange, on_delete=models.CASCADE, primary_key=True, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, db_index=False, related_name="+")
    prompt = models.TextField()
    answer = models.TextField()

    class Meta:
        verbose_name = verbose_name_plural = "words in the search"

    def __str__(self) -> str:
        return f"words of exchange {self.exchange_id}"


class SearchDue(models.Model):
    """A row whose words are not in the search yet, or are others by now. Triggers put it here."""

    exchange = models.OneToOneField(
        Exchange, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="+"
    )
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, db_index=False, db_constraint=False, related_name="+"
    )

    class Meta:
        verbose_name = verbose_name_plural = "waiting for the search"

    def __str__(self) -> str:
        return f"exchange {self.exchange_id} waits for the search"
