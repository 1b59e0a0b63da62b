"""What the result page shows of a step that was watched: its statements and locks on a time line, waits, rows that
offend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from thcore.model import Offence, Statement, StepResult, TableLock, Wait
from thcore.model.quantity import format_duration
from thcore.pages.bar import Bar, per_cent

MOST = 60
"""Statements of a step that are shown: the longest, in their order."""
MOST_LOCKS = 12
"""Locks of a step that are shown, those first that kept out most."""
LEAST_WAIT_S = 0.05
"""A wait that is shorter, or a lock that was held for less, is not worth a word."""

_OFFENCE = {
    "duplicate": "the same values more than once",
    "null": "no value",
    "too-long": "values that are too long",
    "out-of-range": "values out of range",
    "orphan": "values that point to nothing",
    "check": "values that the constraint forbids",
    "invalid-date": "dates that are none",
    "invalid-text": "text that cannot be converted",
}


@frozen
class StatementView:
    """A statement on its step's time line. ``works`` and ``waits`` are worded; a work is ``heavy`` when the whole table
    was written."""

    text: str
    calls: int
    took: str
    bar: Bar
    error: str
    works: tuple[tuple[str, bool], ...]
    waits: tuple[str, ...]


@frozen
class LockView:
    """A lock on its step's time line: what was locked, who had to wait for it, and for how long."""

    what: str
    against: str
    took: str
    bar: Bar


@frozen
class OffenceView:
    """Rows that a step cannot do with: in words, how to find them, and the first of them as a table."""

    words: str
    query: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    more: int


@frozen
class Watched:
    """All that is shown of one step. ``left_out`` counts the statements that are not, ``more_locks`` the locks."""

    run: StepResult
    statements: tuple[StatementView, ...]
    left_out: int
    waits: tuple[str, ...]
    offences: tuple[OffenceView, ...]
    locks: tuple[LockView, ...] = ()
    more_locks: int = 0

    @property
    def on_empty(self) -> str:
        """What it is that fails, where that was tried."""
        return {
            "ok": "Without any rows the step ends well: it is the data that it fails on.",
            "failed": "The step fails without any rows as well: whatever the data are, it cannot end.",
        }.get(self.run.on_empty, "")


def watched(run: StepResult, most: int = MOST) -> Watched | None:
    """What was seen of a step, with ``most`` of its statements; None when there is nothing to show."""
    measurement = run.measurement
    statements = measurement.statements if measurement else ()
    waits = measurement.waits if measurement else ()
    locks = felt(measurement.locks) if measurement else ()
    if not (statements or waits or locks or run.offences or run.on_empty):
        return None
    whole = max([measurement.wall_s if measurement else 0.0, *(each.began_s + each.wall_s for each in statements)])
    shown = tuple(_statement(statement, whole) for statement in longest(statements, most))
    offences = tuple(map(_offence, run.offences))
    held = tuple(_lock(lock, whole) for lock in locks[:MOST_LOCKS])
    left_out, more_locks = len(statements) - len(shown), len(locks) - len(held)
    return Watched(run, shown, left_out, _waits(waits), offences, held, more_locks)


def longest(statements: Sequence[Statement], most: int) -> tuple[Statement, ...]:
    """At most so many statements, in their order: those that failed and the longest."""
    ranked = sorted(range(len(statements)), key=lambda number: -_weight(statements[number]))
    return tuple(statements[number] for number in sorted(ranked[:most]))


def felt(locks: Iterable[TableLock]) -> tuple[TableLock, ...]:
    """The locks that somebody may have had to wait for, and long enough to be worth a word; none that a stronger one
    before it in the list was there beside all the time."""
    told: list[TableLock] = []
    for lock in locks:
        long_enough = lock.against != "schema" and lock.held_s >= LEAST_WAIT_S
        if long_enough and not any(_covers(stronger, lock) for stronger in told):
            told.append(lock)
    return tuple(told)


def _covers(stronger: TableLock, lock: TableLock) -> bool:
    same = stronger.table == lock.table and stronger.index in {"", lock.index}
    late = lock.began_s + lock.held_s > stronger.began_s + stronger.at_most_s
    return same and stronger.began_s <= lock.began_s and not late


def _weight(statement: Statement) -> float:
    return float("inf") if statement.error else statement.wall_s


def _statement(statement: Statement, whole_s: float) -> StatementView:
    start = per_cent(statement.began_s, whole_s)
    return StatementView(
        statement.text,
        statement.calls,
        format_duration(statement.wall_s),
        Bar(start, min(per_cent(statement.wall_s, whole_s), 100.0 - start)),
        statement.error,
        tuple((str(work), work.writes_all) for work in statement.works),
        _waits(statement.waits),
    )


def _lock(lock: TableLock, whole_s: float) -> LockView:
    start = per_cent(lock.began_s, whole_s)
    bar = Bar(start, min(per_cent(lock.held_s, whole_s), 100.0 - start))
    return LockView(lock.what, f"{lock.whom} wait ({lock.how})", lock.time, bar)


def _waits(waits: Iterable[Wait]) -> tuple[str, ...]:
    worst: dict[str, Wait] = {}
    for wait in waits:
        if wait.wait_s >= max(LEAST_WAIT_S, worst[wait.kind].wait_s if wait.kind in worst else 0.0):
            worst[wait.kind] = wait
    return tuple(str(wait) for _, wait in sorted(worst.items()))


def _offence(offence: Offence) -> OffenceView:
    rows: tuple[Mapping[str, str | None], ...] = offence.rows
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    counted = f"{offence.count:,} row{'s' if offence.count != 1 else ''} of {offence.table}"
    what = _OFFENCE.get(offence.kind, offence.kind)
    return OffenceView(
        f"{counted}: {what} in {', '.join(offence.columns)}",
        offence.query,
        columns,
        tuple(tuple(row.get(column) for column in columns) for row in rows),
        max(0, offence.count - len(rows)),
    )
