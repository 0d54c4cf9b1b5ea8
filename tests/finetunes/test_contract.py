"""The check that watches every request in these tests finds what it should, so that its silence means something."""

import pytest

from tests.contract import fault_in_request

FORM = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\nfine-tune\r\n--x--\r\n'
JOB = {"model": "m", "training_file": "file-1"}


@pytest.mark.parametrize(
    ("method", "path", "query", "content_type", "body", "words"),
    [
        ("POST", "/files", "", "multipart/form-data; boundary=x", FORM % b"purpose", ""),
        ("POST", "/files", "", "multipart/form-data; boundary=x", FORM % b"expires_after[anchor]", ""),
        ("POST", "/files", "", "multipart/form-data; boundary=x", FORM % b"aim", "['aim']"),
        ("POST", "/uploads/u/parts", "", "multipart/form-data; boundary=x", FORM % b"purpose", "['purpose']"),
        ("GET", "/fine_tuning/jobs", "limit=9&metadata[a]=b", "", b"", ""),
        ("GET", "/fine_tuning/jobs", "page=2", "", b"", "['page']"),
        ("GET", "/fine_tuning/jobs/ftjob-1", "limit=2", "", b"", "['limit']"),
        ("POST", "/fine_tuning/jobs", "", "application/json", JOB, ""),
        ("POST", "/fine_tuning/jobs", "", "application/json", {"model": "m"}, "training_file"),
        ("POST", "/fine_tuning/jobs", "", "application/json", JOB | {"n": 1}, "['n']"),
        (
            "POST",
            "/fine_tuning/jobs",
            "",
            "application/json",
            JOB | {"integrations": [{"type": "wandb", "wandb": {"project": "p", "colour": "red"}}]},
            "['colour']",
        ),
        ("POST", "/fine_tuning/jobs/ftjob-1/cancel", "", "application/json", {"why": "no"}, "no JSON is described"),
        ("POST", "/files", "", "text/plain", b"hello", "a body of text/plain"),
    ],
)
def test_a_request_that_is_not_described_is_found(method, path, query, content_type, body, words):
    found = fault_in_request(method, path, query, content_type, body)
    assert words in found if words else found == ""
