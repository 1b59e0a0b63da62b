"""The log of a private PostgreSQL server: what it is told to write there, and reading that back.

The log has words of the migration in it: statements, and whatever it raises. PostgreSQL begins each further line of a
text with a tab, writes what belongs together at once, and the prefix of a line has nothing in it that a client may
choose, such as the name of a user. So whatever a text looks like, where it begins and ends is certain.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

SETTINGS = {
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_timezone": "UTC",
    # Time, session, code, the query's number, kind of process.
    "log_line_prefix": "%m [%c %e %Q %b] ",
    "log_parameter_max_length": "0",
    "log_temp_files": "0",
    "log_lock_waits": "on",
    # Waits that are shorter are not logged.
    "deadlock_timeout": "1ms",
    "compute_query_id": "on",
}
"""What the server is told as long as it runs; for the rest see ``postgresql_noting``. Who is no superuser can change
none of it."""
SILENT = {"log_min_messages": "panic"}
"""Settings of the gate's own sessions: nothing that they do or fail to do is in the log."""
UNHEARD = {"log_statement": "none", "log_min_duration_statement": "-1"}
"""Settings of sessions whose statements are of no interest, but their errors are."""
LONGEST = 8192
"""How many bytes of a statement are kept."""
_ROOM = LONGEST + 1024
"""How many bytes of a text are kept: before a statement stands what is done with it, and under which name."""

_HEAD = re.compile(
    rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC \[([0-9a-f]+\.[0-9a-f]+) (\w{5}) (-?\d+) ([a-z ]+)\] ([A-Z]+):  "
)
_STATEMENT = re.compile(
    r"(?:duration: (?P<ms>[0-9.]+) ms)?(?:(?:^|  )"
    r"(?P<kind>statement|parse|bind|execute fetch from|execute|fastpath function call)(?: .*?)?: (?P<text>.*))?",
    re.DOTALL,
)
_NONE: Mapping[str, str] = {}
_Line = tuple[re.Match[bytes] | None, bytes]
"""A line, and its prefix unless it goes on with the one before."""
_PARTS = frozenset((b"DETAIL", b"HINT", b"QUERY", b"CONTEXT", b"LOCATION", b"STATEMENT", b"BACKTRACE"))


@frozen
class Record:
    """One message of the log. ``parts`` are what follows its text, by name: ``DETAIL``, ``CONTEXT``, ``STATEMENT``.
    ``raw`` are the lines, cut like the texts. ``head`` is None for a line that is not of the server's making. What is
    in there is only read when it is asked for: there can be millions of records."""

    raw: Sequence[bytes]
    head: re.Match[bytes] | None = None
    text: str = ""
    parts: Mapping[str, str] = _NONE

    @property
    def severity(self) -> str:
        """``LOG``, ``ERROR``; empty for a line that is not of the server's making."""
        return self._said(6)

    @property
    def time(self) -> float:
        """When it was said, in seconds since the epoch, exact to a millisecond."""
        return datetime.fromisoformat(f"{self._said(1)}+00:00").timestamp()

    @property
    def session(self) -> str:
        """The server's name for the process."""
        return self._said(2)

    @property
    def state(self) -> str:
        """The SQLSTATE."""
        return self._said(3)

    @property
    def query(self) -> int:
        """The server's number for statements that differ in values only, 0 where it has none."""
        return int(self._said(4))

    @property
    def process(self) -> str:
        """The kind of process: ``client backend`` is one that serves a session."""
        return self._said(5)

    def _said(self, group: int) -> str:
        return self.head[group].decode() if self.head is not None else ""


@contextlib.contextmanager
def apart(log: Path, name: str) -> Iterator[Path]:
    """A log of its own, called after ``name``, for a server whose log is wanted in ``log``. On leaving, it is put at
    the end of that, without the statements: they are many, and told elsewhere. Where that fails, it stays."""
    own = log.with_name(f"{name}-{log.name}")
    try:
        yield own
    finally:
        with contextlib.suppress(OSError), own.open("rb") as source, log.open("ab") as target:
            for record in records(source):
                if heard(record) is None:
                    target.writelines(line.removesuffix(b"\n") + b"\n" for line in record.raw)
            own.unlink()


def heard(record: Record) -> re.Match[str] | None:
    """What the server says of a statement: ``kind`` and ``text`` where it begins, or where a part of it is over, and
    ``ms`` where it, or that part, has ended; all three for one whose beginning is not noted. None for all other
    messages. What a function raises can look like that, but has its context told, and the statement that has called
    the function."""
    if record.severity != "LOG" or not record.text or record.parts.keys() & {"CONTEXT", "STATEMENT"}:
        return None
    return _STATEMENT.fullmatch(record.text)


def records(stream: BinaryIO) -> Iterator[Record]:
    """What the log holds from where the stream is to its end."""
    lines: list[_Line] = []
    room = 0
    for line in _lines(stream):
        further = line.startswith(b"\t")
        head = None if further else _HEAD.match(line)
        if not further:
            if lines and (head is None or head[6] not in _PARTS):
                yield _record(lines)
                lines = []
            room = _ROOM
        if room > 0:
            lines.append((head, line[: room + further]))
            room -= len(line) - further
    if lines:
        yield _record(lines)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines, without the end of those that are very long."""
    while line := stream.readline(_ROOM):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_ROOM)
        yield line


def _record(lines: Sequence[_Line]) -> Record:
    head, first = lines[0]
    if head is None:
        return Record([first])
    if len(lines) == 1:
        return Record([first], head, _text([first[head.end() :]]))
    texts = [(head[6], [first[head.end() :]])]
    for begins, line in lines[1:]:
        if begins is None:
            texts[-1][1].append(line[1:])
        else:
            texts.append((begins[6], [line[begins.end() :]]))
    (_, text), *parts = texts
    raw = [line for _, line in lines]
    return Record(raw, head, _text(text), {name.decode(): _text(found) for name, found in parts})


def _text(lines: Sequence[bytes]) -> str:
    return b"".join(lines).removesuffix(b"\n").decode("utf-8", "replace")
