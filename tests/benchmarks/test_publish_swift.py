"""What publishing to Swift takes, beside ``swift upload`` of the same files to the same server."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thcore.config import convert
from thcore.testing import make_build
from thcore.testing.swift import Swift
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin

from parts.evidence import outcome_of
from parts.swift import container

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

FILES, SIZE = 1000, 200_000
ROUNDS = 3
TIMES_UPLOAD = 1.5


def test_publishing_takes_no_longer_than_one_and_a_half_uploads(tmp_path: Path, swift: Swift) -> None:
    plugin.thcore_preload()
    with make_build(tmp_path) as build:
        for number in range(FILES):
            path = build.workspace.artifacts / f"{number // 100}" / f"{number:04}.log"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"%07d 2026-03-01 INFO a line of a log\n" % number * (SIZE // 40))

        def ours() -> None:
            options = convert.structure(container(swift).options(), PublishSwiftOptions, "job")
            plugin.thcore_publish(build, options, outcome_of(build))

        def upload() -> None:
            user = ("-A", swift.auth_url, "-U", swift.user.name, "-K", swift.user.password)
            program = [sys.executable, "-m", "swiftclient.shell", *user, "upload", "--quiet", container(swift).name]
            subprocess.run([*program, build.workspace.artifacts.name], cwd=build.workspace.root, check=True)

        ways: dict[str, Callable[[], None]] = {"swift upload": upload, "publish_swift": ours}
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                took[name].append(time.perf_counter() - began)

    print(f"\n{FILES} files, {FILES * SIZE / 1e6:.0f} MB")
    for name, times in took.items():
        print(f"{name:14} {statistics.median(times):6.2f} s [{min(times):.2f}-{max(times):.2f}]")
    ratio = statistics.median(took["publish_swift"]) / statistics.median(took["swift upload"])
    print(f"{ratio:.2f} times")
    assert ratio <= TIMES_UPLOAD
