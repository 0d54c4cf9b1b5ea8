"""The system prompts a project's rows were captured with, and what each costs against what is taught in its place."""

from collections import Counter
from dataclasses import dataclass

from .chat import ChatError, digest, split_prompt
from .models import Project
from .rendering import Renderer
from .tokens import count_text

# The newest included rows stand for all: a page must not read a million.
SAMPLE = 1000
MOST_SHOWN = 20


@dataclass(frozen=True)
class Variant:
    """A captured system prompt among the newest included rows. `own` is the training prompt it has for itself."""

    digest: str
    captured: str
    taught: str
    own: str
    count: int
    captured_tokens: int
    taught_tokens: int

    @property
    def saved_tokens(self) -> int:
        return self.captured_tokens - self.taught_tokens


def variants_of(project: Project) -> list[Variant]:
    """The most frequent first."""
    rows = project.exchanges.included().order_by("-included", "-pk").values_list("messages", flat=True)[:SAMPLE]
    counts: Counter[str] = Counter()
    for messages in rows:
        try:
            counts[split_prompt(messages).system] += 1
        except ChatError:
            continue  # the preflight says what is wrong with it
    renderer = Renderer(project)
    own = dict(project.prompt_variants.values_list("digest", "training_prompt"))
    return [_variant(renderer, own, text, count) for text, count in counts.most_common(MOST_SHOWN)]


def _variant(renderer: Renderer, own: dict[str, str], captured: str, count: int) -> Variant:
    taught = renderer.prompt_for(captured)
    name = digest(captured)
    return Variant(name, captured, taught, own.get(name, ""), count, count_text(captured), count_text(taught))


def set_variant(project: Project, name: str, training_prompt: str) -> bool:
    """Give a captured prompt a training prompt of its own, or take it back with "". False where no included row of late
    was captured with such a prompt.
    """
    if not training_prompt.strip():
        project.prompt_variants.filter(digest=name).delete()
        return True
    captured = next((variant.captured for variant in variants_of(project) if variant.digest == name), None)
    if captured is None:
        return False
    project.prompt_variants.update_or_create(
        digest=name, defaults={"captured": captured, "training_prompt": training_prompt.strip()}
    )
    return True
