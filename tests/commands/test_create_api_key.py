import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from curation.models import ApiKey


def test_the_key_is_the_last_word_and_opens_the_project(manage, project):
    key = manage("create_api_key", "support", "--name", "shop").out.split()[-1]
    row = ApiKey.objects.live().get(digest=ApiKey.digest_of(key))
    assert (row.project, row.name) == (project, "shop")
    assert key not in vars(row).values()


def test_an_unknown_project_is_answered_with_the_known_ones(manage, project):
    with pytest.raises(CommandError, match=r"no project “suport”\. There are: support\."):
        manage("create_api_key", "suport")


def test_an_archived_project_gets_no_key(manage, project):
    project.archived_at = timezone.now()
    project.save()
    with pytest.raises(CommandError, match="archived"):
        manage("create_api_key", "support")


def test_an_endless_name_is_refused_in_words(manage, project):
    with pytest.raises(CommandError, match="80"):
        manage("create_api_key", "support", "--name", "n" * 81)
