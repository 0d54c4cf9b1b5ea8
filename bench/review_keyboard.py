"""A hundred rows decided by keyboard in a real browser, timed: from the key to the next row painted.

    .venv/bin/python bench/review_keyboard.py ADDRESS USERNAME SLUG   (the password in CURATION_PASSWORD)

The project needs a hundred rows that wait; each is included or excluded, every tenth is edited and every twentieth
verdict undone and redone.
"""

import os
import statistics
import sys
import time

from playwright.sync_api import Page, sync_playwright

ROWS = 100


def press(page: Page, key: str) -> float:
    """Seconds until another row, or the queue's end, is on the screen."""
    before = page.evaluate("location.href")
    start = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_function("before => location.href !== before && !document.querySelector('[aria-busy]')", arg=before)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - start


def main(address: str, name: str, slug: str) -> None:
    with sync_playwright() as playwright:
        program = os.environ.get("CURATION_CHROMIUM", "/usr/bin/chromium")
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        page = playwright.chromium.launch(executable_path=program, args=options).new_page()
        page.goto(f"{address}/projects/{slug}/review/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(os.environ["CURATION_PASSWORD"])
        page.keyboard.press("Enter")
        page.locator("#stage").wait_for()
        times: list[float] = []
        start = time.perf_counter()
        for row in range(ROWS):
            if row % 10 == 9:
                page.keyboard.press("e")
                page.keyboard.type(" Corrected.")
                times.append(press(page, "Control+Enter"))
            else:
                times.append(press(page, "x" if row % 3 == 2 else "i"))
            if row % 20 == 19:
                press(page, "u")
                press(page, "Shift+U")
        total = time.perf_counter() - start
    times.sort()
    print(f"{ROWS} rows by keyboard in {total:.1f} s: {ROWS / total * 60:.0f} a minute")
    print(f"key to next row painted: median {statistics.median(times) * 1000:.0f} ms, p95 {times[94] * 1000:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:4])
