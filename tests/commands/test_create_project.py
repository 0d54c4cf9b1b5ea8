import subprocess
import sys

import pytest
from django.core.management.base import CommandError

from curation.models import Membership, ModelAlias, Project, User


def test_a_project_answers_from_the_local_trainer_unless_told_otherwise(manage):
    assert manage("create_project", "support").out == "support\n"
    project = Project.objects.get(slug="support")
    assert project.name == "Support"
    assert project.default_provider.kind == "local-trainer"
    alias = ModelAlias.objects.get(project=project)
    assert (alias.name, alias.model, alias.provider) == ("support", "baseline", project.default_provider)


def test_everything_can_be_given(manage, monkeypatch):
    monkeypatch.setenv("PROVIDER_KEY_OF_TEST", "sk-secret")
    User.objects.create_user("ana")
    manage(
        *["create_project", "support", "--name", "Support desk", "--training-prompt", "Be brief."],
        *["--answer-format", "json", "--provider-url", "http://vllm:8000/v1", "--base-model", "llama"],
        *["--provider-key", "env:PROVIDER_KEY_OF_TEST", "--owner", "ana", "--split-key", "as in the old place"],
    )
    project = Project.objects.get(slug="support")
    provider = project.default_provider
    assert (project.name, project.training_prompt, project.answer_format) == ("Support desk", "Be brief.", "json")
    assert (provider.url, provider.base_model, provider.open_key()) == ("http://vllm:8000/v1", "llama", "sk-secret")
    assert project.split_key == "as in the old place"
    assert project.memberships.get().role == Membership.Role.OWNER


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["not a slug"], "slug: "),
        (["x" * 51], "slug: "),
        (["taken"], "slug: Project with this Slug already exists."),
        (["a", "--name", "n" * 121], "name: "),
        (["a", "--split-key", "k" * 65], "split_key: "),
        (["a", "--provider-url", "ftp://files/v1", "--base-model", "m"], "base_url: Give the address"),
        (["a", "--provider-url", "https://me:secret@host/v1", "--base-model", "m"], "base_url: Leave the password"),
        (["a", "--provider-url", "https://host:port/v1", "--base-model", "m"], "base_url: This is no URL"),
        (["a", "--provider-url", "https://host/v1"], "needs --base-model"),
        (["a", "--provider-key", "sk-1"], "needs --provider-url"),
        (
            ["a", "--provider-url", "https://host/v1", "--base-model", "m", "--provider-key", "env:NOWHERE_SET"],
            "NOWHERE_SET",
        ),
        (["a", "--owner", "nobody"], "no person “nobody”"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(manage, words, complaint):
    manage("create_project", "taken")
    with pytest.raises(CommandError, match="(?s)" + complaint.replace(".", r"\.")):
        manage("create_project", *words)
    assert Project.objects.count() == 1


def test_an_error_goes_to_stderr_and_the_exit_status_tells():
    done = subprocess.run(
        [sys.executable, "manage.py", "create_project", "not a slug"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "slug: " in done.stderr
