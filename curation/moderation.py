"""What a provider's moderation said of the texts that are taught, as findings of the preflight.

Trainers look at a file like this after it is sent, or at the tuned model after it is paid for.
"""

from typing import Any

from .chat import digest, said_in
from .models import Project
from .preflight import Finding, Fix, Severity

LENGTH = 32_000  # characters of an example that are looked at, from its end
_UNSEEN = "not been through a provider's moderation as they are now. The page of the datasets begins that."


def own_words(example: dict[str, Any]) -> str:
    """What is looked at: all that is said in an example but its system prompts, which come back in every one."""
    said = [said_in(message) for message in example["messages"] if message.get("role") != "system"]
    return "\n".join(text for text in said if text)[-LENGTH:]


def digest_of(example: dict[str, Any]) -> str:
    return digest(own_words(example))


def flagged_in(project: Project) -> dict[str, list[str]]:
    """What each flagged text of the project is flagged for, by its digest."""
    return dict(project.moderations.filter(is_flagged=True).values_list("digest", "categories"))


def finding_of(categories: list[str]) -> Finding:
    named = ", ".join(str(name)[:40] for name in categories[:5]) or "no category named"
    words = f"The provider's moderation flags it: {named}. A trainer may refuse the file, or the model once it is paid."
    return Finding("moderation", Severity.BLOCKER, words, fix=Fix.EXCLUDE)


def finding_of_unseen(count: int) -> Finding:
    words = f"{count:,} example{'' if count == 1 else 's'} {'has' if count == 1 else 'have'} {_UNSEEN}"
    return Finding("not-moderated", Severity.NOTE, words, fix=Fix.NONE)
