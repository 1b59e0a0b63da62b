"""The build log: its format, its writer and its reader.

One line per line of output::

    2026-11-21T21:35:24.123Z SOURCE | text

The time is UTC and says when the line was taken from the program. A line over 64 KiB is broken; the source of each
further piece ends in ``+``. Bytes stay as they came (control characters and invalid UTF-8 are the reader's concern),
except that secrets are blanked out.
"""

from __future__ import annotations

import datetime
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.process.redaction import Redaction
from thcore.process.tail import Tail

LINE_LIMIT = 64 * 1024
"""Bytes of text in one line of the log; what is longer is broken."""

_PREFIX_LIMIT = 256
_LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3})Z (\S+?)(\+?) \| ?(.*)", re.DOTALL)
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
_logger = logging.getLogger(__name__)


@frozen
class LogLine:
    """One line of a build log. ``continued``: it is a further piece of the line before it from the same source."""

    at: datetime.datetime
    source: str
    text: str
    continued: bool = False


class BuildLog:
    """Writes a build log. Threads may share it; lines never mix.

    A log that cannot be written (disk full) must not cost a program its result: what does not fit is dropped and
    counted in ``dropped``, ``problem`` says why, and the log tells so itself once there is room again.

    Raises InfrastructureError when the file cannot be opened.
    """

    def __init__(self, path: Path, secrets: Iterable[str] = ()) -> None:
        self.path = path
        self.redaction = Redaction(secrets)
        self.dropped = 0
        self.problem: str | None = None
        self._untold = 0
        self._written = 0
        self._torn = False
        self._lock = threading.Lock()
        try:
            # The programs of the build can write to this directory: a link put here must not lead elsewhere.
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise InfrastructureError(f"build log {path} cannot be opened: {error.strerror}", code="log") from error

    def write(self, message: str, source: str = "thcore") -> None:
        """Write a message; each of its lines becomes one of the log. Never raises for a full disk."""
        stream = self.stream(source)
        stream.feed(message.encode("utf-8", "replace"))
        stream.close()

    def stream(self, source: str, tail: Tail | None = None) -> Stream:
        """A stream of bytes whose lines carry ``source``; ``tail`` is given the same lines."""
        return Stream(self, _label(source), tail)

    def close(self) -> None:
        """Close the file. Whatever is written later is dropped and counted."""
        with self._lock:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)

    def append(self, *parts: bytes) -> None:
        """Append bytes that make whole lines of the log; for Stream."""
        with self._lock:
            if self._untold:
                note = f"{_stamp()} thcore | {self._untold} lines are missing here: {self.problem}\n".encode()
                if not self._put(b"\n" * self._torn, note):
                    self._drop(sum(part.count(b"\n") for part in parts))
                    return
                self._untold = 0
            if not self._put(*parts):
                self._drop(b"".join(parts).count(b"\n", self._written))

    def _put(self, *parts: bytes) -> bool:
        """Write all of it, in one call where that can be."""
        self._written = 0
        try:
            self._written = os.writev(self._fd, parts)
            while self._written < sum(map(len, parts)):
                self._written += os.write(self._fd, b"".join(parts)[self._written :])
        except OSError as error:
            if self._written:
                self._torn = b"".join(parts)[self._written - 1 : self._written] != b"\n"
            if self.problem is None:
                self.problem = "the log was closed" if self._fd < 0 else error.strerror or str(error)
                _logger.warning("build log %s cannot be written, lines are dropped: %s", self.path, self.problem)
            return False
        self._torn = False
        return True

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._untold += lines

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Stream:
    """One program's stream of bytes on its way into the log. For one thread.

    Whole lines are stamped once for each ``feed``. A last line without a newline is kept back until more comes or
    ``close``; never more than a line's limit is kept.
    """

    def __init__(self, log: BuildLog, label: str, tail: Tail | None) -> None:
        self._log = log
        self._label = label
        self._tail = tail
        self._rest = bytearray()
        self._continues = False

    def feed(self, chunk: bytes) -> None:
        """Take what came."""
        newline = chunk.rfind(b"\n")
        if newline < 0:
            self._rest += chunk
        else:
            whole = chunk[:newline]
            if self._rest:
                whole = bytes(self._rest) + whole
            self._rest[:] = chunk[newline + 1 :]
            self._lines(self._log.redaction.apply(whole))
        if len(self._rest) > LINE_LIMIT + 2 * self._log.redaction.longest:
            self._break_rest()

    def close(self) -> None:
        """No more will come: write what was kept back."""
        if self._rest:
            rest = bytes(self._rest)
            self._rest.clear()
            self._lines(self._log.redaction.apply(rest))

    def _break_rest(self) -> None:
        data = bytes(self._rest)
        cut = self._log.redaction.cut(data)
        line = self._log.redaction.apply(data[:cut])
        while len(line) > LINE_LIMIT:
            piece = _piece(line)
            self._emit(piece)
            self._continues = True
            line = line[len(piece) :]
        self._rest[:] = line + data[cut:]

    def _lines(self, whole: bytes) -> None:
        """Write lines, joined by newlines. Those over the limit are broken."""
        start = 0  # of what is not written yet
        checked = 0
        while len(whole) - checked > LINE_LIMIT:
            newline = whole.rfind(b"\n", checked, checked + LINE_LIMIT + 1)
            if newline >= 0:
                checked = newline + 1
                continue
            if checked > start:
                self._emit(whole[start : checked - 1])
            piece = _piece(whole[checked : checked + LINE_LIMIT + 1])
            self._emit(piece)
            self._continues = True
            start = checked = checked + len(piece)
        self._emit(whole[start:] if start else whole)

    def _emit(self, lines: bytes) -> None:
        if self._tail is not None:
            self._tail.feed(lines)
        stamp = _stamp()
        prefix = f"{stamp} {self._label} | ".encode()
        first = f"{stamp} {self._label}+ | ".encode() if self._continues else prefix
        self._continues = False
        self._log.append(first, lines.replace(b"\n", b"\n" + prefix), b"\n")


def read(path: Path) -> Iterator[LogLine]:
    """The lines of a build log, decoded with replacement, in bounded memory.

    Lines of another format are given as they are, with an empty source and the time of the line before. Raises OSError
    when the file cannot be read.
    """
    at, stamp = _EPOCH, b""
    source, inside = "", False
    with path.open("rb") as file:
        while data := file.readline(LINE_LIMIT + _PREFIX_LIMIT):
            text = data.removesuffix(b"\n")
            match = None if inside else _LINE.fullmatch(text)
            if match and match[1] != stamp:
                try:
                    at, stamp = datetime.datetime.fromisoformat(match[1].decode() + "+00:00"), match[1]
                except ValueError:
                    match = None
            if match:
                source = match[2].decode("utf-8", "replace")
                yield LogLine(at, source, match[4].decode("utf-8", "replace"), continued=bool(match[3]))
            else:
                source = source if inside else ""
                yield LogLine(at, source, text.decode("utf-8", "replace"), continued=inside)
            inside = not data.endswith(b"\n")


def _stamp() -> str:
    return f"{datetime.datetime.now(datetime.UTC).isoformat(timespec='milliseconds')[:-6]}Z"


def _label(source: str) -> str:
    return re.sub(r"[^\x21-\x7e]+", "-", source)[:64].rstrip("+") or "command"


def _piece(line: bytes) -> bytes:
    """The first piece of a line that is too long, not cut within a character if it is UTF-8."""
    end = LINE_LIMIT
    if len(line) > end:
        while end > LINE_LIMIT - 4 and line[end] & 0xC0 == 0x80:
            end -= 1
    return line[:end]
