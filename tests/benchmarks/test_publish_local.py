"""What publishing to a directory takes, beside ``cp -r`` of the same files; and what the pages of a large build take.

Ours is on the disk when it is done, pages included; what ``cp`` wrote may not be yet. So ``cp`` is followed by a
``sync`` of the file system in the second line, which is told but has no goal.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thcore.model.document import to_json
from thcore.testing import make_build
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts.evidence import outcome_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FILES, SIZE = 1000, 200_000
ROUNDS = 5
TIMES_COPY = 1.5
LINES = 500_000
PAGES_S = 3.0
PAGES_MB = 200

ASSEMBLE = """
import resource, sys, time
from pathlib import Path
from thcore.model.document import from_json
from thcore.pages import html, site
artifacts = Path(sys.argv[1])
outcome = from_json((artifacts / "result.json").read_text())
html.compile_templates()
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
with site.assembled(artifacts, outcome) as assembled:
    size = sum(file.size for file in assembled.files)
took = time.perf_counter() - began
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, size / 1e6)
"""


def test_publishing_takes_no_longer_than_one_and_a_half_copies(tmp_path: Path) -> None:
    plugin.thcore_preload()
    with make_build(tmp_path) as build:
        artifacts = build.workspace.artifacts
        for number in range(FILES):
            path = artifacts / f"{number // 100}" / f"{number:04}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"%07d 2026-03-01 INFO a line of a log\n" % number * (SIZE // 40))
        place = tmp_path / "place"

        def ours() -> None:
            plugin.thcore_publish(build, PublishLocalOptions(place), outcome_of(build))

        def copy() -> None:
            subprocess.run(["cp", "-r", str(artifacts), str(place)], check=True)

        def synced() -> None:
            copy()
            subprocess.run(["sync", "-f", str(place)], check=True)

        ways: dict[str, Callable[[], None]] = {"cp -r": copy, "cp -r, sync": synced, "publish_local": ours}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                subprocess.run(["sync", "-f", str(tmp_path)], check=True)
                began = time.perf_counter()
                way()
                took[name].append(time.perf_counter() - began)
                shutil.rmtree(place)

    print(f"\n{FILES} files, {FILES * SIZE / 1e6:.0f} MB")
    for name, times in took.items():
        print(f"{name:14} {statistics.median(times):6.2f} s [{min(times):.2f}-{max(times):.2f}]")
    ratio = statistics.median(took["publish_local"]) / statistics.median(took["cp -r"])
    print(f"{ratio:.2f} times")
    assert ratio <= TIMES_COPY


def test_the_pages_of_a_large_build_are_made_in_seconds_and_little_memory(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        artifacts = build.workspace.artifacts
        stamp = "2026-11-21T10:00:00.000Z nova | INFO a line that is as long as they are, with a number in it:"
        with (artifacts / "console.log").open("w") as log:
            log.writelines(f"{stamp} {number * 7919 % 100_003}\n" for number in range(LINES))
        (artifacts / "result.json").write_text(to_json(outcome_of(build)))
        told = subprocess.run([sys.executable, "-c", ASSEMBLE, str(artifacts)], check=True, capture_output=True)
    seconds, megabytes, size = map(float, told.stdout.split())
    print(f"\n{LINES} lines: pages in {seconds:.2f} s, {megabytes:.0f} MB at most; the site has {size:.0f} MB")
    assert seconds <= PAGES_S
    assert megabytes <= PAGES_MB
