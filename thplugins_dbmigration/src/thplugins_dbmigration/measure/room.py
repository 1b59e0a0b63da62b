"""How much room there is where a build writes, looked at while a step runs: what has filled a disk may be gone when the
step has failed."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import define, field, frozen

from thcore.model.quantity import format_size
from thplugins_dbmigration.distress import NUMBERS, Distress

NEARLY = 64 * 1024 * 1024
"""A file system with fewer bytes free is taken for full: a server asks for some of them at once."""
SHARE = 0.1
"""Of a small one, only with less than this share of it free."""
TRIED = 1024 * 1024
"""Bytes that are asked for where quotas are: they are in no figure of a file system."""
INTERVAL_S = 0.05
"""How often to look; a disk that is full for less time may be missed."""


@frozen(order=True)
class Room:
    """What is left for others than root on the file system of ``place``, in bytes and in files; it has ``size`` bytes.
    Where it tells no number of files, they are as many as one likes."""

    free: int
    size: int
    files: int | None
    place: Path

    @classmethod
    def at(cls, place: Path) -> Room | None:
        """None where there is no such place any more."""
        try:
            found = os.statvfs(place)
        except OSError:
            return None
        files = found.f_favail if found.f_files else None
        return cls(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, files, place)

    @property
    def none_left(self) -> bool:
        """Whether it is taken for full."""
        return self.free < min(NEARLY, SHARE * self.size) or self.files == 0

    def __str__(self) -> str:
        files = ", and no file more," if self.files == 0 else ""
        return f"{format_size(self.free)} of {format_size(self.size)}{files} were free in {self.place}"


@define
class RoomWatch:
    """Looks at ``places`` from ``start`` to ``stop``. Asks no server, and writes nothing."""

    places: tuple[Path, ...]
    _least: dict[Path, Room] = field(factory=dict)
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None

    @classmethod
    def start(cls, places: Iterable[Path], *, closely: bool) -> RoomWatch:
        """Look from now on: ``closely`` again and again, in a thread of its own, else when somebody asks."""
        watch = cls(tuple(dict.fromkeys(places)))
        if closely:
            watch._thread = threading.Thread(target=watch._go_on, name="room", daemon=True)
            watch._thread.start()
        return watch

    def look(self) -> Mapping[Distress, str]:
        """Look now, and tell where there was no room since the start."""
        self._look()
        least = tuple(self._least.values())  # at once: the thread may find a place that has just been made
        full = [room for room in least if room.none_left]
        return {Distress.FULL: str(min(full, key=lambda room: room.free))} if full else {}

    def stop(self) -> None:
        """Look no more. Idempotent."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _go_on(self) -> None:
        while not self._over.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        for place in self.places:
            room = Room.at(place)
            if room is not None:
                self._least[place] = min(room, self._least.get(place, room))


def refused(places: Iterable[Path]) -> Mapping[Distress, str]:
    """What the system says when it is asked for a little room as the worker itself, which is given back at once."""
    found: dict[Distress, str] = {}
    for place in places:
        try:
            with tempfile.TemporaryFile(dir=place) as stream:
                os.posix_fallocate(stream.fileno(), 0, TRIED)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                found.setdefault(NUMBERS[error.errno], f"{error.strerror}: for {format_size(TRIED)} in {place}")
    return found
