"""The statements that sessions have run, as the log of a PostgreSQL server tells them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from attrs import define

from thplugins_dbmigration.engines.postgresql_log import LONGEST, Record, heard

_TEMPORARY = re.compile(r'temporary file: path ".*", size (\d+)')
_WAITED = re.compile(r"process \d+ acquired \w+ on .* after ([0-9.]+) ms")
UNTOLD = "(the server does not say which statement)"
"""Stands for one that was refused before it was read, because it is no text in the server's encoding."""
_FAILURES = frozenset(("ERROR", "FATAL", "PANIC"))


@define
class Run:
    """One run of a statement. ``text`` is all of it unless it is ``cut``. ``began`` is in seconds since the epoch.
    ``calls`` is 0 for a further fetch from a portal that was opened before; ``query`` is the server's number for
    statements that differ in values only, 0 where it has not said. ``ended`` is false for one that still runs,
    ``timed`` for one of which nothing tells how long it took."""

    text: str
    began: float
    wall_s: float = 0.0
    calls: int = 1
    query: int = 0
    error: str = ""
    temp_bytes: int = 0
    lock_wait_ms: float = 0.0
    ended: bool = False
    cut: bool = False
    timed: bool = True

    @classmethod
    def of(cls, text: str, began: float) -> Run:
        """A run that has just begun. The text is cut where it is very long."""
        if len(text) <= LONGEST // 4:  # no character takes more than four bytes
            return cls(text, began)
        encoded = text.encode()
        cut = encoded[:LONGEST].decode("utf-8", "ignore")
        return cls(cut, began, cut=len(encoded) > LONGEST)


def runs(
    records: Iterable[Record], now: float, brief: float | None = None, active: Collection[str] = ()
) -> Iterator[Run]:
    """Runs in the order in which they ended, then those that have not until ``now``. Since ``brief``, in seconds since
    the epoch, not all have their end noted, and those of many kinds no beginning; ``active`` are the sessions that are
    at work now, which only counts then."""
    sessions: dict[str, _Session] = {}
    late = False
    for record in records:
        if record.process != "client backend":
            continue
        session = sessions.get(record.session)
        if session is None:
            session = sessions[record.session] = _Session()
        late = late or (brief is not None and record.time >= brief)
        if late and (left := session.left(record)) is not None:
            yield left
        run = session.told(record)
        if run is not None:
            run.timed = run.timed or not late
            yield run
    for name, session in sessions.items():
        if session.running is not None:
            if late and name not in active:
                yield session.ended()
                continue
            session.running.wall_s += max(0.0, now - session.running.began)
            yield session.running


@define
class _Session:
    """``running`` is the statement that a session is at, ``prepared`` the one that it has parsed and bound so far:
    the protocol has that apart from running it. ``over`` is when the one before ended, in seconds since the epoch."""

    running: Run | None = None
    prepared: Run | None = None
    over: float = 0.0

    def told(self, record: Record) -> Run | None:
        """Take a record of the session; the run that it ends, if any."""
        words = None if record.severity in _FAILURES else heard(record)
        if record.severity in _FAILURES or words is not None:
            run = self._failed(record) if words is None else self._said(record, words)
            if run is not None:
                self.over = record.time
            return run
        if self.running is not None and not _raised(record):
            if found := _TEMPORARY.fullmatch(record.text):
                self.running.temp_bytes += int(found[1])
            elif found := _WAITED.match(record.text):
                self.running.lock_wait_ms += float(found[1])
        return None

    def left(self, record: Record) -> Run | None:
        """What runs, where the record is about the next statement, so that it has ended without a word."""
        if self.running is None:
            return None
        words, of = heard(record), record.parts.get("STATEMENT")
        if (words is None or words["text"] is None) and (of is None or Run.of(of, 0.0).text == self.running.text):
            return None
        return self.ended()

    def ended(self) -> Run:
        """What runs, as one of which nothing tells how long it took."""
        assert self.running is not None, "asked for by who knows"  # noqa: S101 - for the type checker
        run, self.running = self.running, None
        run.ended, run.timed = True, False
        return run

    def _said(self, record: Record, words: re.Match[str]) -> Run | None:
        if words["ms"] is None:
            self.running = self._begun(words["text"], record.time)
            if words["kind"] == "execute fetch from":
                self.running.calls = 0
            return None
        wall_s = float(words["ms"]) / 1000
        if words["kind"] in {"parse", "bind"}:
            self.prepared = self._begun(words["text"], record.time - wall_s)
            self.prepared.wall_s += wall_s
            return None
        run, self.running = self.running, None
        if run is None and words["text"] is not None:
            # A session does one after the other; the log's times are rounded, to the millisecond.
            run = self._begun(words["text"], max(self.over, record.time - wall_s))
            run.calls = 0 if words["kind"] == "execute fetch from" else 1
        if run is None:  # it began before the log is read
            return None
        run.wall_s += wall_s
        run.query, run.ended = record.query, True
        return run

    def _failed(self, record: Record) -> Run | None:
        text = record.parts.get("STATEMENT", UNTOLD)
        if self.running is None and text == UNTOLD and record.severity != "ERROR":
            return None  # the session has ended between its statements
        run, self.running = self.running, None
        if run is None:
            run = self._begun(text, record.time)
            run.timed = False
        run.wall_s = max(run.wall_s, record.time - run.began)
        detail = record.parts.get("DETAIL")
        run.error = f"{record.state}: {record.text}" + (f" DETAIL: {detail}" if detail else "")
        run.ended = True
        return run

    def _begun(self, text: str, time: float) -> Run:
        """The run of a statement, which goes on from what was prepared of it."""
        run, prepared, self.prepared = Run.of(text, time), self.prepared, None
        return prepared if prepared is not None and prepared.text == run.text else run


def _raised(record: Record) -> bool:
    return record.parts.get("CONTEXT", "").partition("\n")[0].endswith(" at RAISE")
