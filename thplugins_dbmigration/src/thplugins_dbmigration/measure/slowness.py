"""How slow the machine is at the moment: a calibration of a few hundredths of a second, compared with what is usual.

The same work is done each time: a digest of a megabyte, over and over, and a small file that is written through to the
disk. What is usual is the median of the calibrations that builds of this worker have made, so that it is this machine's
own. It is said beside wall-clock times, and limits on time allow for it; no counter is corrected by it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

FILE = "calibrations"
KEPT = 100
"""How many calibrations are kept, the newest."""
MINIMUM = 5
"""From fewer nobody can tell what is usual."""
_TURNS = 3
_DIGESTED = bytes(1024 * 1024)
_DIGESTS = 8
_WRITTEN = bytes(256 * 1024)
_LINE = 100


@frozen
class Calibration:
    """How long the processor and the disk took for their work: the median of three turns, in seconds."""

    processor_s: float
    disk_s: float

    @classmethod
    def made(cls, place: Path) -> Calibration:
        """Measure, with a file in the directory ``place``. Takes some 50 ms where nothing else runs. Raises OSError."""
        with tempfile.TemporaryFile(dir=place) as file:

            def write() -> None:
                os.pwrite(file.fileno(), _WRITTEN, 0)
                os.fdatasync(file.fileno())

            return cls(_median(_digest), _median(write))


def slowness(state: Path, place: Path) -> float | None:
    """How many times slower than usual the machine is: of processor and disk the one that suffers more. Below 1 it is
    faster. None where nobody knows what is usual, or where the disk does not let itself be measured.

    ``state`` is a directory that is kept between builds, shared by all of them; ``place`` is where the data is. The
    calibration is remembered there. Any thread.
    """
    kept = state / FILE
    try:
        now = Calibration.made(place)
        known = _read(kept)
        _keep(kept, (*known[-KEPT + 1 :], now))
    except OSError:
        return None
    if len(known) < MINIMUM:
        return None
    usual_processor = statistics.median(each.processor_s for each in known)
    usual_disk = statistics.median(each.disk_s for each in known)
    return round(max(now.processor_s / usual_processor, now.disk_s / usual_disk), 2)


def _digest() -> None:
    for _ in range(_DIGESTS):
        hashlib.sha256(_DIGESTED).digest()


def _median(work: Callable[[], None]) -> float:
    times = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _read(kept: Path) -> tuple[Calibration, ...]:
    found = []
    with contextlib.suppress(FileNotFoundError), kept.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):  # a line that is none is left out
                processor_s, disk_s = map(float, line[:_LINE].split())
                if processor_s > 0 and disk_s > 0:
                    found.append(Calibration(processor_s, disk_s))
    return tuple(found[-KEPT:])


def _keep(kept: Path, calibrations: tuple[Calibration, ...]) -> None:
    draft = kept.with_suffix(f".{secrets.token_hex(8)}")
    text = "".join(f"{each.processor_s:.9f} {each.disk_s:.9f}\n" for each in calibrations)
    draft.write_text(text, "ascii")
    draft.replace(kept)
