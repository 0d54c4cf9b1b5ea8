"""A worker killed while it writes leaves no half file under the final name."""

import os
import time
from collections.abc import Iterator
from multiprocessing import get_context
from typing import Any

import pytest

from curation.datasets import freeze
from jobs import exports
from jobs.formats import Row
from jobs.models import Export
from tests.machines import forked, step


def write_half(pk: int, halfway: Any) -> None:
    """The seventh row does not come: as if the database hung in the middle of the file."""
    all_rows = exports._rows

    def slowly(export: Export) -> Iterator[Row]:
        for number, row in enumerate(all_rows(export), 1):
            if number == 7:
                halfway.set()
                time.sleep(60)
            yield row

    exports._rows = slowly
    exports.run(pk)


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle(project, include):
    for number in range(12):
        include(f"Question {number}?", f"Answer {number}.")
    export = exports.request_export(freeze(project).version, "train")
    halfway = get_context("fork").Event()
    writer = forked(write_half, export.pk, halfway)
    assert halfway.wait(30)
    writer.kill()
    writer.join()
    path = exports.path_of(export)
    assert not path.exists()
    assert len(os.listdir(path.parent)) == 1

    step(export)
    assert (export.status, export.attempts) == (Export.Status.SUCCEEDED, 2)
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}.manifest.json"]
    assert exports.check_file(export)
