"""The last lines of a program's output or of a log."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from pathlib import Path

_LOOK_AT = 128 * 1024
"""How much of the end of a file is looked at for its last lines, in bytes."""


class Tail:
    """The last lines of a program's output, whichever streams they came from."""

    def __init__(self, lines: int = 40, width: int = 2000) -> None:
        self._width = width
        self._lines: deque[bytes] = deque(maxlen=lines)

    def feed(self, text: bytes) -> None:
        """Take whole lines, joined by newlines, without the last one's. Only the end is looked at."""
        found: list[bytes] = []
        end = len(text)
        while len(found) < (self._lines.maxlen or 0):
            start = text.rfind(b"\n", 0, end) + 1
            # A character has at most four bytes.
            found.append(text[start : min(end, start + 4 * self._width)])
            if start == 0:
                break
            end = start - 1
        self._lines.extend(reversed(found))

    def lines(self) -> tuple[str, ...]:
        """The lines, decoded with replacement and cut at the width."""
        return tuple(line.decode("utf-8", "replace").rstrip("\r")[: self._width] for line in self._lines)


def last_lines(path: Path, count: int = 10, *, after: int = 0) -> tuple[str, ...]:
    """The last lines of a log that the programs of a build can write beside, decoded with replacement.

    What lies before the offset ``after`` is not looked at. Neither a link in the place of the file or of its directory
    is followed, nor anything but a plain file read. Empty when there is nothing to be had.
    """
    tail = Tail(count)
    with contextlib.suppress(OSError), open(_open(path), "rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.seek(max(after, file.seek(0, os.SEEK_END) - _LOOK_AT))
            if text := file.read(_LOOK_AT):
                tail.feed(text.removesuffix(b"\n"))
    return tail.lines()


def _open(path: Path) -> int:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    finally:
        os.close(directory)
