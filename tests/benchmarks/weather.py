"""A machine that others keep busy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# A test that is killed leaves nothing behind: each ends when its parent is another one.
_PROCESSOR = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""
_DISK = """
import os, sys
with open(sys.argv[2], "wb", buffering=0) as stream:
    while os.getppid() == int(sys.argv[1]):
        stream.seek(0)
        for _ in range(32):
            stream.write(os.urandom(1 << 20))
        os.fsync(stream.fileno())
"""


@contextlib.contextmanager
def busy(directory: Path) -> Iterator[None]:
    """Every processor, and the disk that ``directory`` is on, have something else to do."""
    place = directory / "weather"
    parent = str(os.getpid())
    programs = [[_PROCESSOR, parent]] * len(os.sched_getaffinity(0)) + [[_DISK, parent, str(place)]]
    with contextlib.ExitStack() as stack:
        stack.callback(place.unlink, missing_ok=True)
        processes = []
        for program in programs:
            processes.append(stack.enter_context(subprocess.Popen([sys.executable, "-c", *program])))
            stack.callback(processes[-1].kill)
        yield
        assert [process.poll() for process in processes] == [None] * len(programs), "the weather was fair"
