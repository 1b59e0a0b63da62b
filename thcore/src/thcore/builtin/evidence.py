"""Reading files that the build's programs could have put there: no links, no devices, no pipes, bounded."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

_PREFIX = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S+ \| ?")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")
_TAIL_BYTES = 32 * 1024
_LINE_LIMIT = 500


def open_plain(path: Path, root: Path) -> BinaryIO | None:
    """Open a plain file below ``root`` for reading; None when it is missing or anything else than a plain file."""
    try:
        if not path.parent.resolve().is_relative_to(root.resolve()):
            return None
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb")


def without_prefix(line: bytes) -> bytes:
    """A line of a build log without its time and source; any other line as it is."""
    match = _PREFIX.match(line)
    return line[match.end() :] if match else line


def printable(line: bytes, limit: int = _LINE_LIMIT) -> str:
    """A line as text on one line: decoded, control characters turned to spaces, cut at ``limit`` characters."""
    text = _UNPRINTABLE.sub(" ", line[: 4 * limit].decode("utf-8", "replace")).strip()
    return text if len(text) <= limit else f"{text[:limit]}…"


def first_line(path: Path, root: Path) -> str:
    """The first line of a file, empty when there is none."""
    source = open_plain(path, root)
    if source is None:
        return ""
    with source:
        return printable(source.readline(4 * _LINE_LIMIT + 1))


def last_lines(path: Path, root: Path, count: int) -> tuple[str, ...]:
    """The last lines of a build log that are not empty, without time and source."""
    source = open_plain(path, root)
    if source is None:
        return ()
    with source:
        size = source.seek(0, os.SEEK_END)
        source.seek(max(0, size - _TAIL_BYTES))
        lines = source.read(_TAIL_BYTES).split(b"\n")
    if size > _TAIL_BYTES:
        del lines[0]
    shown = (printable(without_prefix(line)) for line in lines)
    return tuple([line for line in shown if line][-count:])
