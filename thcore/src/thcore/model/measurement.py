"""What a step of a migration cost, and what it did to tables, as the server tells it."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from thcore.model.quantity import format_duration, format_size

_AGAINST = {"all": "readers and writers", "rows": "writers of the same rows", "schema": "changes of the schema"}
_DOES = {"scan": "reads all of", "index": "builds an index of", "rebuild": "rewrites", "copy": "copies"}


@frozen
class Wait:
    """The longest that a session beside a step had to wait for a table that was there before.

    ``kind`` is ``read`` (a SELECT) or ``write`` (an UPDATE of one row). ``began_s`` is seconds after the step began.
    """

    kind: str
    table: str
    wait_s: float
    began_s: float = 0.0

    def __str__(self) -> str:
        who = {"read": "readers", "write": "writers"}.get(self.kind, self.kind)
        return f"{who} of {self.table} waited {format_duration(self.wait_s)}"


@frozen
class TableLock:
    """A lock that a step held on a table that was there before it, as it was seen: it was looked for again and again.

    ``mode`` is the server's own name for it (``ACCESS EXCLUSIVE``, ``SHARED_NO_WRITE``), and ``against`` who had to
    wait for it: ``all`` (readers and writers), ``writers``, ``rows`` (writers of the same rows) or ``schema`` (other
    changes of the schema). ``index`` is the index of the table that it was on, where it was on one. Without a ``table``
    it was on the whole database, or on rows of tables that nobody knows.

    It was held for ``held_s`` at least and ``at_most_s`` at most, without a break; ``began_s`` is when it was first
    seen, in seconds after the step began. ``rows`` is the most rows that its transaction had locked at once, None where
    the server does not tell.
    """

    table: str
    mode: str
    against: str
    held_s: float
    at_most_s: float
    began_s: float = 0.0
    index: str = ""
    rows: int | None = None

    @property
    def what(self) -> str:
        """What was locked, in words."""
        whole = "rows" if self.against == "rows" else "the whole database"
        return f"index {self.index} of {self.table}" if self.index else self.table or whole

    @property
    def whom(self) -> str:
        """Who had to wait for it, in words."""
        return _AGAINST.get(self.against, self.against)

    @property
    def how(self) -> str:
        """Its mode, and how many rows it is about."""
        return self.mode if self.rows is None else f"{self.mode}, {self.rows:,} rows"

    @property
    def time(self) -> str:
        """How long it was held, in words."""
        return format_duration(self.held_s) if self.held_s > 0 else f"less than {format_duration(self.at_most_s)}"

    def __str__(self) -> str:
        return f"{self.what} locked against {self.whom} for {self.time} ({self.how})"


@frozen
class TableWork:
    """What one statement did to one table.

    ``kind`` is ``metadata`` (only what the server knows of the table), ``scan`` (every row is read to be checked),
    ``index`` (an index is built), ``rebuild`` (the table is written anew in place) or ``copy`` (row by row into another
    one, which keeps writers out). ``rows`` and ``bytes`` are the size of the table before the step, None where unknown.
    ``how`` says what shows it.
    """

    table: str
    kind: str
    rows: int | None = None
    bytes: int | None = None
    how: str = ""

    @property
    def writes_all(self) -> bool:
        """Whether all of the table was written."""
        return self.kind in {"rebuild", "copy"}

    def __str__(self) -> str:
        if self.kind == "metadata":
            return f"changes metadata of {self.table} only"
        size = [f"{self.rows:,} rows"] if self.rows is not None else []
        size += [format_size(self.bytes)] if self.bytes is not None else []
        return f"{_DOES.get(self.kind, self.kind)} {self.table}" + (f" ({', '.join(size)})" if size else "")


@frozen
class Statement:
    """A statement of a step, as the server saw it, or several that are alike and follow each other.

    ``text`` is cut where it is very long. ``began_s`` is in seconds from the step's start, ``wall_s`` the time of all
    ``calls`` together. ``error`` is the server's code and message of one that failed, else empty. A counter that the
    server cannot tell for one statement is None, and ``unknown`` says why.
    """

    text: str
    began_s: float
    wall_s: float
    calls: int = 1
    error: str = ""
    counters: Mapping[str, int | None] = field(factory=dict)
    unknown: Mapping[str, str] = field(factory=dict)
    works: tuple[TableWork, ...] = ()
    waits: tuple[Wait, ...] = ()
    locks: tuple[TableLock, ...] = ()


@frozen
class Measurement:
    """What one step cost. Counters come from the server, keyed by the engine's own name for them; a counter that the
    engine cannot tell is None, and ``unknown`` may say why. ``wall_s`` is wall-clock seconds.

    ``statements`` are in the order in which they began, ``waits`` the longest of each kind on each table that made
    anybody wait, ``locks`` the longest of each mode on each table. A lock that was held for less than
    ``locks_unseen_s`` may not have been seen; that is None where nobody looked, and ``unknown`` may say why.
    ``unwatched`` are tables that were there and that nobody waited for because there were too many.
    ``slowness`` is how many times slower than usual the machine was, before the step or after it, whichever is more (1
    is as usual), None where that is not known.
    ``began`` is when the step began, in seconds since 1970 (UTC), None where nobody noted it.
    """

    wall_s: float
    counters: Mapping[str, int | None] = field(factory=dict)
    unknown: Mapping[str, str] = field(factory=dict)
    statements: tuple[Statement, ...] = ()
    waits: tuple[Wait, ...] = ()
    slowness: float | None = None
    began: float | None = None
    locks: tuple[TableLock, ...] = ()
    locks_unseen_s: float | None = None
    unwatched: tuple[str, ...] = ()
