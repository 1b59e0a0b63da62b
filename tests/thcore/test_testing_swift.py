from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.system]

PROGRAM = """
import pathlib, sys
from thcore.testing.swift import Swift
with Swift(pathlib.Path(sys.argv[1])):
    print("started", flush=True)
    sys.stdin.read()
"""


def test_nothing_of_a_swift_outlives_the_process_that_has_started_it(tmp_path: Path) -> None:
    program = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) == 6  # four servers, memcached and its guard

        process.kill()

    deadline = time.monotonic() + 30
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in started):
        assert time.monotonic() < deadline, started
        time.sleep(0.05)
