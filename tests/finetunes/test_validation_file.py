"""What a version puts aside for validation goes to the trainer as its validation file."""

import pytest

from curation.datasets import freeze
from curation.models import Project
from jobs import finetunes
from jobs.models import FineTune
from tests.machines import drive

pytestmark = pytest.mark.django_db


def test_both_files_are_sent_and_named_in_the_job(project, include, provider, stub):
    Project.objects.filter(pk=project.pk).update(validation_share=30)
    for number in range(60):
        include(f"Question {number}?", f"Answer {number}.")
    version = freeze(project).version
    finetune = drive(finetunes.launch(version, provider))
    assert finetune.status == FineTune.Status.SUCCEEDED
    assert stub.count("POST /files") == 2
    assert finetune.provider_validation_file_id not in ("", finetune.provider_file_id)
    asked = next(body for method, path, body in stub.seen if (method, path) == ("POST", "/fine_tuning/jobs"))
    assert asked["training_file"] == finetune.provider_file_id
    assert asked["validation_file"] == finetune.provider_validation_file_id
    assert finetune.validation_export.line_count == version.validation_count
