import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from curation.models import Exchange


@pytest.fixture
def included(project) -> Exchange:
    now = timezone.now()
    return Exchange.objects.create(
        project=project, user_prompt="Where is gate 4?", messages=[{"role": "user", "content": "Where is gate 4?"}],
        response="Upstairs.", split="train", first_seen_at=now, last_seen_at=now, state="included", included=now,
    )  # fmt: skip


def test_the_versions_number_is_all_that_is_printed(manage, project, included):
    assert manage("freeze", "support", "--note", "before the holidays") == ("1\n", "")
    version = project.versions.get()
    assert (version.number, version.train_count, version.note) == (1, 1, "before the holidays")


def test_the_same_content_keeps_its_number(manage, project, included):
    manage("freeze", "support")
    again = manage("freeze", "support")
    assert again.out == "1\n"
    assert "Nothing changed" in again.err
    Exchange.objects.update(target="Upstairs, to the left.")
    assert manage("freeze", "support").out == "2\n"


def test_nothing_to_freeze_says_what_to_do(manage, project):
    with pytest.raises(CommandError) as caught:
        manage("freeze", "support")
    assert "include" in str(caught.value).lower()


def test_an_unknown_project_is_an_error(manage, db):
    with pytest.raises(CommandError, match="create_project"):
        manage("freeze", "nowhere")


def test_an_endless_note_is_refused_in_words(manage, project, included):
    with pytest.raises(CommandError, match="200"):
        manage("freeze", "support", "--note", "n" * 201)
