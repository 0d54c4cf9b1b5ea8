"""Before a file is sent, the worker checks it once more: the model is known now."""

import pytest

from curation.datasets import freeze
from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive

pytestmark = pytest.mark.django_db


def test_what_the_model_would_cut_off_is_not_sent(project, include, provider, stub):
    for number in range(11):
        include(f"Question {number}?", f"Answer {number}.")
    long = include("Tell me all!", "word " * 20_000)
    version = freeze(project).version  # 65,536 tokens are allowed by the project's own model
    provider.base_model = "gpt-3.5-turbo-1106"
    provider.save()
    finetune = drive(finetunes.launch(version, provider))
    assert finetune.status == FineTune.Status.FAILED
    assert "line 12 of v1 is refused" in finetune.error
    assert "the model reads 16,385" in finetune.error
    assert f"row {long.pk}" in finetune.error
    assert (stub.create_count, stub.count("POST /files")) == (0, 0)
