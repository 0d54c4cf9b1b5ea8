"""A table and a template make prompts, and a person sees what they are before anything is sent."""

from collections.abc import Callable

import pytest
from django.core.files.base import ContentFile

from curation.models import Project
from jobs import drafting, generations
from jobs.drafting import NotPossible
from jobs.models import Generation, GenerationItem
from jobs.prompts import TemplateError
from jobs.tables import TableError
from tests.asking import ask

from .conftest import table

pytestmark = pytest.mark.django_db
Status = GenerationItem.Status


def prompts(generation: Generation) -> list[str]:
    return list(generation.items.values_list("prompt", flat=True))


def test_a_table_is_kept_under_a_name_of_ours(project, provider, media):
    generation = generations.draft(project, table("name", "Ada", name="../../etc/pass\u202ewd.csv"))
    assert generation.is_draft
    assert generation.is_parked
    assert generation.table.name.startswith("generations/support/")
    assert [path.suffix for path in media.rglob("*") if path.is_file()] == [".table"]
    assert (generation.name, generation.columns, generation.row_count) == ("passwd", ["name"], 1)
    assert generation.model == "base"


def test_nothing_is_kept_of_a_table_that_cannot_be_read(project, provider, media):
    for rows in [("a,b", "1"), ("a,b",)]:
        with pytest.raises(TableError):
            generations.draft(project, table(*rows))
    assert not Generation.objects.exists()
    assert not media.exists()


def test_a_project_without_a_provider_is_told_so(project):
    project.default_provider = None
    with pytest.raises(NotPossible, match="no provider"):
        generations.draft(project, table("a", "1"))


def test_each_row_makes_a_prompt_and_each_value_of_a_list_too(drafted):
    assert prompts(drafted("Greet {{ name }}.", "Ada", "Bob")) == ["Greet Ada.", "Greet Bob."]
    listed = drafted("Greet {{ each: name }}.", "Ada| Bob |", '"[""Cy"", ""Di|do""]"', separator="bar")
    assert prompts(listed) == ["Greet Ada.", "Greet Bob.", "Greet Cy.", "Greet Di|do."]
    assert list(listed.items.values_list("row_number", flat=True)) == [1, 1, 2, 2]


def test_what_repeats_and_what_is_known_is_for_the_database_to_say(drafted, project):
    ask(project, "greet é.")
    ask(project, "Greet Ada.", messages=[{"role": "user", "content": "Hi"}, {"role": "user", "content": "Greet Ada."}])
    generation = drafted("Greet {{ name }}.", "Ada", "ADA", "É", "Bob")
    assert [item.status for item in generation.items.all()] == [
        Status.DRAFT,
        Status.REPEATED,
        Status.DRAFT,
        Status.DRAFT,
    ]
    found = generations.figures(generation)
    assert (found.prompts, found.repeated, found.known_drafts, found.new) == (3, 1, 1, 2)


def test_a_very_long_prompt_counts_too(drafted, project):
    long = "word " * 1000
    ask(project, long.upper() + "Ada")
    generation = drafted(long + "{{ name }}", "ada", "ADA", "Bob")
    found = generations.figures(generation)
    assert (found.repeated, found.known_drafts, found.new) == (1, 1, 1)


def test_empty_cells_are_counted_and_left_out_on_demand(project, provider):
    generation = generations.draft(project, table("name,form", "Ada,", "Bob,x"))
    generations.write(generation, template="{{ name }}: {{ form }}")
    assert generations.figures(generation).with_empty_cell == 1
    generations.write(generation, template="{{ name }}: {{ form }}", skips_empty=True)
    assert prompts(generation) == ["Bob: x"]
    assert generations.figures(generation).rows_without == 1


def test_tokens_are_a_quarter_of_the_characters(drafted):
    generation = drafted("{{ name }}", "x" * 30, "y" * 30, system_prompt="s" * 10)
    assert generations.figures(generation).tokens == 20


def test_a_template_may_change_until_something_was_asked(drafted):
    generation = drafted("A {{ name }}", "Ada", "Bob")
    generations.write(generation, template="B {{ name }}")
    assert prompts(generation) == ["B Ada", "B Bob"]
    generations.start(generation, sample=1)
    with pytest.raises(NotPossible, match="Copy it"):
        generations.write(generation, template="C {{ name }}")
    assert prompts(generation) == ["B Ada", "B Bob"]


def test_a_copy_has_the_table_and_the_settings_and_nothing_asked(drafted, person):
    generation = drafted("A {{ name }}", "Ada", "Bob", system_prompt="Be brief.")
    generations.start(generation)
    copied = generations.copy(generation, person("ana"))
    assert (copied.is_draft, copied.is_parked, copied.table.name) == (True, True, generation.table.name)
    generations.write(copied, template="B {{ name }}")
    assert prompts(copied) == ["B Ada", "B Bob"]
    assert copied.system_prompt == "Be brief."


def test_a_template_that_makes_nothing_or_too_much_is_refused_and_changes_nothing(drafted, monkeypatch):
    generation = drafted("{{ name }}", "Ada", "Bob")
    with pytest.raises(TemplateError, match="no column “nam”"):
        generations.write(generation, template="{{ nam }}")
    monkeypatch.setattr(drafting, "MAX_PROMPTS", 1)
    with pytest.raises(TemplateError, match="more than 1 prompts"):
        generations.write(generation, template="Dear {{ name }}")
    monkeypatch.setattr(drafting, "MAX_PROMPTS", 9)
    monkeypatch.setattr(drafting, "MAX_CHARACTERS", 10)
    with pytest.raises(TemplateError, match="more than 10 characters"):
        generations.write(generation, template="Dear {{ name }}")
    assert prompts(generation) == ["Ada", "Bob"]


def test_lists_that_are_all_empty_make_no_prompt(project, provider):
    generation = generations.draft(project, table("a,b", "x,;", "y,"))
    with pytest.raises(TemplateError, match="No row makes a prompt"):
        generations.write(generation, template="{{ each: b }}")


def test_a_prompt_too_long_names_its_row(project, provider):
    generation = generations.draft(project, table("a", "x", "y" * 20_000))
    with pytest.raises(TemplateError, match="With row 2 of the table: The prompt has 100,"):
        generations.write(generation, template="{{ a }}" * 5 + "z")


def test_hostile_cells_stay_text(project: Project, provider, drafted: Callable[..., Generation]):
    cells = ["=1+1", "@x", "<script>alert(1)</script>", "{{ name }}", "{% now %}", "\u202eright", "a\0b"]
    generation = generations.draft(project, ContentFile("\n".join(["name", *cells]).encode(), "x.csv"))
    generations.write(generation, template="{{ name }}")
    assert prompts(generation) == [*cells[:-1], "a\ufffdb"]
