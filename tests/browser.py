"""A real Chromium for the tests that need one."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

import pytest
from django.core.signals import request_finished, request_started
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("CURATION_CHROMIUM", "/usr/bin/chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one module only: its event loop makes Django take the whole thread for asynchronous code."""
    if not Path(CHROMIUM).exists():
        words = f"There is no Chromium at {CHROMIUM}; install it, or name it in CURATION_CHROMIUM."
        if os.environ.get("CURATION_REQUIRE_BROWSER") == "1":
            pytest.fail(words)
        pytest.skip(words)
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


class Answering:
    """Which requests the live server is answering. A page that closes says so, and reads ahead, without waiting."""

    def __init__(self) -> None:
        self.now: set[int] = set()
        self.changed_at = time.monotonic()

    def begin(self, **_: object) -> None:
        self.now.add(get_ident())
        self.changed_at = time.monotonic()

    def end(self, **_: object) -> None:
        self.now.discard(get_ident())
        self.changed_at = time.monotonic()

    def wait(self, quiet: float = 0.1, most: float = 10) -> None:
        """Until none is left for so many seconds: one that is answered while the tables are emptied is in the way."""
        self.changed_at = began_at = time.monotonic()
        while (self.now or time.monotonic() - self.changed_at < quiet) and time.monotonic() - began_at < most:
            time.sleep(0.01)


@contextmanager
def answering() -> Iterator[Answering]:
    answering = Answering()
    request_started.connect(answering.begin)
    request_finished.connect(answering.end)
    yield answering
    request_started.disconnect(answering.begin)
    request_finished.disconnect(answering.end)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile. An error in its console fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.set_default_timeout(10_000)
    with answering() as requests:
        yield page
        context.close()
        requests.wait()
    # Chromium reports each answer that is no success; refusing a verdict with 409 or 422 is how the page works, and one
    # test takes the server away.
    expected = ("status of 409", "status of 422", "net::ERR_FAILED")
    assert [trouble for trouble in troubles if not any(words in trouble for words in expected)] == []
