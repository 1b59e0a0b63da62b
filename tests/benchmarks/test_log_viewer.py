"""What the page of a log of 500,000 lines costs: to make, beside ``gzip -1`` of the log, and to open in a browser."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parts.browser import Visitor, chromium, visitor

__all__ = ["chromium", "visitor"]

LINES = 500_000
SOURCES = ("git", "uv", "shop-small", "shop-large", "tests")
WORDS = ("collected", "row", "migration", "created", "index", "table", "waiting", "for", "lock", "done", "in", "of")
ROUNDS = 3
TIMES_GZIP = 2.0
PEAK_MB = 200
OPENING_S = 2.0
FRAME_MS = 100.0

MAKING = """
import json, resource, sys, time
from thcore.pages import html, viewer
html.compile_templates()
started = time.perf_counter()
with open(sys.argv[1], "rb") as log, open(sys.argv[2], "wb") as out:
    viewer.write(log, "console.log", (), out)
took = time.perf_counter() - started
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""

SCROLLING = """async () => {
    const scroller = document.querySelector('.cm-scroller');
    const frames = [];
    let last = performance.now();
    for (let step = 0; step < 120; step++) {
        scroller.scrollTop += step % 40 === 39 ? scroller.scrollHeight / 5 : 400;
        await new Promise(requestAnimationFrame);
        frames.push(performance.now() - last);
        last = performance.now();
    }
    return frames.sort((a, b) => a - b);
}"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Some 60 MB as a build writes them: words, numbers, now and then colours, a warning or an error."""
    path = tmp_path / "console.log"
    with path.open("w") as file:
        for number in range(LINES):
            source = SOURCES[number // 700 % len(SOURCES)]
            told = " ".join(WORDS[(number * 7 + at * (number % 11 + 1)) % len(WORDS)] for at in range(12))
            level = "WARNING" if number % 997 == 0 else "ERROR" if number % 4999 == 0 else "INFO"
            level = f"\x1b[33m{level}\x1b[0m" if number % 10 == 0 else level
            clock = f"{number // 36000 % 24:02d}:{number // 600 % 60:02d}:{number // 10 % 60:02d}.{number % 1000:03d}"
            file.write(f"2026-11-21T{clock}Z {source} | {level} {told} {number * 7919 % 100_003}\n")
    return path


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_page_costs_little_more_than_to_compress_its_log_and_opens_at_once(visitor: Visitor, log: Path) -> None:
    page_file = log.with_name("console.log.html")
    packed = log.with_name("console.log.gz")
    ours, peak, gzip = [], [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with packed.open("wb") as out:
            subprocess.run(["gzip", "-1", "-c", str(log)], stdout=out, check=True)
        gzip.append(time.perf_counter() - started)
        made = subprocess.run(
            [sys.executable, "-c", MAKING, str(log), str(page_file)], capture_output=True, text=True, check=True
        )
        took, memory = json.loads(made.stdout)
        ours.append(took)
        peak.append(memory)

    opening, drawn, frames = [], [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        page = visitor.open(page_file)
        page.wait_for_selector("#log[data-ready]")
        opening.append(time.perf_counter() - started)
        drawn.append(page.evaluate("performance.getEntriesByName('ready')[0].startTime / 1000"))
        page.keyboard.press("z")
        frames.append(page.evaluate(SCROLLING))
        visitor.close()

    size = log.stat().st_size / 1e6
    print(f"\n{LINES} lines, {size:.0f} MB; the page has {page_file.stat().st_size / 1e6:.1f} MB")
    for name, times in {
        "gzip -1": gzip,
        "making the page": ours,
        "opening it": opening,
        "of that in it": drawn,
    }.items():
        print(f"{name:16} {statistics.median(times):6.2f} s [{min(times):.2f}-{max(times):.2f}]")
    print(
        f"making it is {statistics.median(ours) / statistics.median(gzip):.2f} times gzip -1, peak {max(peak):.0f} MB"
    )
    middle, worst = (statistics.median(each[at] for each in frames) for at in (60, 117))
    print(f"a frame while scrolling unfolded: {middle:.0f} ms, of a hundred the slowest but two {worst:.0f} ms")
    assert statistics.median(ours) < TIMES_GZIP * statistics.median(gzip)
    assert max(peak) < PEAK_MB
    assert statistics.median(opening) < OPENING_S
    assert middle < FRAME_MS
