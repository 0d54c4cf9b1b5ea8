"""A hundred rows decided by keyboard in a real browser, timed: from the key to the next row painted, and to its answer.

    .venv/bin/python bench/review_keyboard.py ADDRESS USERNAME SLUG [SECONDS]   (the password in CURATION_PASSWORD)

SECONDS are looked at a row before its key, 1 unless told: a row is read ahead while a person reads the one before it.

The project needs a hundred rows that wait; each is included or excluded, every tenth is edited and every twentieth
verdict undone and redone.
"""

import os
import statistics
import sys
import time

from playwright.sync_api import Page, sync_playwright

ROWS = 100


# Resolves once the prompt on the screen is another one and two frames have been painted with it.
PAINTED = """() => new Promise(done => {
    const shown = () => document.querySelector(".asked pre, .empty h1")?.textContent;
    const before = shown();
    document.addEventListener("keydown", () => {
        const start = performance.now();
        const end = () => { window.paintedAfter = performance.now() - start; };
        const look = () => requestAnimationFrame(shown() === before ? look : () => requestAnimationFrame(end));
        requestAnimationFrame(look);
    }, { once: true, capture: true });
    window.paintedAfter = null;
    done();
})"""


def press(page: Page, key: str) -> tuple[float, float]:
    """Seconds until another row, or the queue's end, is painted, and until it can be decided."""
    before = page.evaluate("location.href")
    page.evaluate(PAINTED)
    start = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_function("before => location.href !== before && !document.querySelector('[aria-busy]')", arg=before)
    answered = time.perf_counter() - start
    page.wait_for_function("() => window.paintedAfter !== null")
    return page.evaluate("window.paintedAfter") / 1000, answered


def main(address: str, name: str, slug: str, seconds: str = "1") -> None:
    with sync_playwright() as playwright:
        program = os.environ.get("CURATION_CHROMIUM", "/usr/bin/chromium")
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        page = playwright.chromium.launch(executable_path=program, args=options).new_page()
        page.goto(f"{address}/projects/{slug}/review/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(os.environ["CURATION_PASSWORD"])
        page.keyboard.press("Enter")
        page.locator("#stage").wait_for()
        times: list[tuple[float, float]] = []
        start = time.perf_counter()
        for row in range(ROWS):
            time.sleep(float(seconds))
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
    print(f"{ROWS} rows by keyboard in {total:.1f} s: {ROWS / total * 60:.0f} a minute, {seconds} s of looking at each")
    for words, part in (("key to next row painted", 0), ("key to next row's answer", 1)):
        found = sorted(pair[part] * 1000 for pair in times)
        print(f"{words}: median {statistics.median(found):.0f} ms, p95 {found[94]:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:5])
