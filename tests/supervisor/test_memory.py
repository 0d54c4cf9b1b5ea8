"""How much memory the embedded Postgres keeps pages in."""

import pytest

from curation.supervisor.postgres import buffers_for

GIB = 1024**3


@pytest.mark.parametrize(
    ("memory", "mebibytes"),
    [(GIB // 2, 128), (GIB, 128), (4 * GIB, 512), (8 * GIB, 1024), (256 * GIB, 1024)],
)
def test_an_eighth_of_the_memory_within_bounds(memory, mebibytes):
    assert buffers_for(memory) == mebibytes
