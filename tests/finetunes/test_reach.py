"""Where jobs go for a provider's name, and how long an answer may be."""

import socket

import httpx2
import pytest

from curation.egress import EVERYWHERE, Reach
from jobs.providers import transport
from jobs.providers.base import ProviderError
from jobs.providers.openai import Service


def test_a_name_that_comes_to_mean_something_private_is_not_called(stub, monkeypatch):
    """What was looked up when the URL was saved says nothing about now."""
    port = httpx2.URL(stub.url).port
    url = f"http://provider.example:{port}/v1"
    there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: there)
    with Service(url, "sk-secret", Reach()) as service, pytest.raises(ProviderError) as caught:
        service.model("base")
    assert caught.value.code == "address_refused"
    assert caught.value.permanent
    assert "127.0.0.1" not in str(caught.value)
    assert stub.seen == []
    with Service(url, "sk-secret", EVERYWHERE) as service:
        service.model("base")
    assert stub.seen


def test_an_answer_without_an_end_is_left(stub, monkeypatch):
    monkeypatch.setattr(transport, "ANSWER_BYTES", 1000)
    stub.answer = lambda model, messages: "x" * 2000
    with Service(stub.url, "", EVERYWHERE) as service:
        with pytest.raises(ProviderError):
            service.chat("base", [{"role": "user", "content": "hello"}])
        stub.answer = lambda model, messages: "short"
        assert service.chat("base", [{"role": "user", "content": "hello"}]).text == "short"
