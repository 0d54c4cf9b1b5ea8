from collections.abc import Callable
from io import StringIO
from typing import NamedTuple

import pytest
from django.core.management import call_command


class Printed(NamedTuple):
    out: str
    err: str


@pytest.fixture
def manage(db: None) -> Callable[..., Printed]:
    """`manage("freeze", "support")`: run a management command; what it printed on both streams."""

    def run(*words: str) -> Printed:
        out, err = StringIO(), StringIO()
        call_command(*words, stdout=out, stderr=err, no_color=True)
        return Printed(out.getvalue(), err.getvalue())

    return run
