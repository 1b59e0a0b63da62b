"""What a server takes on disk while a step runs, looked at again and again: a copy leaves no trace when it is gone."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.measure.meaning import Meaning

INTERVAL_S = 0.05
"""How often to look; what comes and goes in less time may be missed."""
SHARE = 0.01
"""The share of the time that looking may take: the more files there are, the less often it is done."""
LITTLE = 2**20
"""Where no more bytes than these have come or gone since the last look,"""
SHARE_OF_LITTLE = 0.005
"""this share of the time."""
_BLOCK = 512
"""What ``st_blocks`` counts, in bytes."""

COUNTERS = {
    "peak_bytes": Meaning(
        "bytes",
        "the most that data, logs and temporary files took on disk at once, beyond what they took before the step; "
        "looked at every 50 ms, less often where there are many files",
    ),
    "temporary_bytes": Meaning("bytes", "the most that temporary files took on disk at once; looked at as often"),
}
"""They depend a little on the moment at which is looked: limit them with room."""


@frozen
class Occupied:
    """What is on disk at one moment, in bytes. ``temporary`` is a part of ``total``, None where it cannot be told."""

    total: int
    temporary: int | None


@define
class Sampler:
    """Looks from ``start`` to ``stop``, in a thread of its own. Sends the server nothing."""

    storage: Storage
    _first: Occupied = Occupied(0, None)
    _total: int = 0
    _temporary: int | None = None
    _looked: threading.Event = field(factory=threading.Event)
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    @classmethod
    def start(cls, storage: Storage) -> Sampler:
        """Look for the first time, in the thread, and go on."""
        sampler = cls(storage)
        sampler._thread = threading.Thread(target=sampler._go_on, name="sampler", daemon=True)
        sampler._thread.start()
        return sampler

    def begin(self) -> None:
        """The step begins when this returns: what was there before is known."""
        self._looked.wait()

    def over(self) -> None:
        """Look for the last time, in the thread. Idempotent."""
        self._over.set()

    def stop(self) -> dict[str, int | None]:
        """The same, and tell the counters. Idempotent."""
        self.over()
        self._thread.join()
        return {"peak_bytes": self._total - self._first.total, "temporary_bytes": self._temporary}

    def _go_on(self) -> None:
        try:
            self._first = before = occupied(self.storage)
            self._keep(before)
        finally:  # whatever happens here, nobody waits for it for ever
            self._looked.set()
        pause_s, over = INTERVAL_S, False
        while not over:
            over = self._over.wait(pause_s)
            began = time.thread_time()
            found = occupied(self.storage)
            self._keep(found)
            pause_s = pause_after_look(time.thread_time() - began, found.total - before.total)
            before = found

    def _keep(self, found: Occupied) -> None:
        self._total = max(self._total, found.total)
        if found.temporary is not None:
            self._temporary = max(self._temporary or 0, found.temporary)


def pause_after_look(took_s: float, grown: int) -> float:
    """How long to wait before the next look, in seconds, after one that took ``took_s`` of a processor and found so
    many bytes more than the one before, or fewer."""
    return max(INTERVAL_S, took_s / (SHARE_OF_LITTLE if abs(grown) <= LITTLE else SHARE))


def occupied(storage: Storage) -> Occupied:
    """What a server takes on disk now. Files that go meanwhile are left out."""
    data = _below(storage.data)
    if not storage.temporary:
        return Occupied(data, None)
    apart = sum(_below(place) for place in storage.temporary if not place.is_relative_to(storage.data))
    inside = sum(_below(place) for place in storage.temporary if place.is_relative_to(storage.data))
    nameless = sum(_nameless(storage.process, storage.temporary)) if storage.process is not None else 0
    return Occupied(data + apart + nameless, inside + apart + nameless)


def _below(directory: Path | str) -> int:
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _below(entry.path)
                    continue
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
                except OSError:
                    continue
    except OSError:  # it has just been dropped
        return total
    return total


def _nameless(process: int, places: tuple[Path, ...]) -> Iterator[int]:
    """The sizes of files below ``places`` that the process has open and nobody else can find."""
    prefixes = tuple(f"{place}{os.sep}" for place in places)
    open_files = f"/proc/{process}/fd"
    try:
        names = os.listdir(open_files)  # noqa: PTH208 - a Path for each would take as long as all the rest
    except OSError:
        return
    for name in names:
        link = f"{open_files}/{name}"
        try:
            target = os.readlink(link)  # noqa: PTH115 - idem
            if not target.endswith(" (deleted)") or not target.startswith(prefixes):
                continue
            found = os.stat(link)  # noqa: PTH116 - idem
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            yield found.st_blocks * _BLOCK
