"""A step in a process of its own, as a project's program is, with the gate's watch beside it or without."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

from thcore.model import Measurement
from thplugins_dbmigration.measure.watch import Watch


def timed(
    program: str, words: object, start: Callable[[], Watch] | None
) -> tuple[tuple[float, float], Measurement | None]:
    """How long a step takes itself, and with all that is around it but the program's start, in seconds; and what the
    watch tells that ``start`` begins. The program reads the words as JSON, says ``ready``, waits for a line, runs the
    step and says how long that took."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as project:
        assert project.stdin is not None
        assert project.stdout is not None
        print(json.dumps(words), file=project.stdin, flush=True)
        assert project.stdout.readline() == "ready\n"
        began = time.perf_counter()
        watch = start() if start is not None else None
        print(file=project.stdin, flush=True)
        own = float(project.stdout.readline())
        measurement = watch.stop() if watch is not None else None
        return (own, time.perf_counter() - began), measurement
