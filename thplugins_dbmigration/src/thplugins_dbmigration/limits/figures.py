"""What a limit is compared with: counters, seconds, waits, and what was done to tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from attrs import evolve, frozen

from thcore.model import Limit, Measurement, StepResult, TableWork
from thplugins_dbmigration.dataset_file import WALL
from thplugins_dbmigration.measure.counters import LEGACY, MEANINGS, OWN

WAITS: Mapping[str, str] = {"reads_wait_s": "read", "writes_wait_s": "write"}
"""Seconds that a session beside the step waited for a table, at most: the kind of ``Wait``."""
STATEMENT_BYTES = "statement_bytes"
"""Bytes of log (redo, write-ahead log) that one statement made, at most."""
_LOGS = ("wal_bytes", "Innodb_lsn_current", "Innodb_os_log_written")
"""The counters that tell how much log was made; the first that is known counts."""
_SIZES: Mapping[str, Callable[[TableWork], int | None]] = {
    "rows": lambda work: work.rows,
    "bytes": lambda work: work.bytes,
}
_DONE: Mapping[str, str] = {"copied": "copy", "rebuilt": "rebuild", "indexed": "index", "scanned": "scan"}

WORKS: Mapping[str, tuple[str, str]] = {
    f"{done}_{size}": (kind, size) for done, kind in _DONE.items() for size in _SIZES
}
"""Size of the largest table that was copied, rebuilt, indexed or scanned: the kind of ``TableWork``, and its size."""
WAITS_UNKNOWN, WORKS_UNKNOWN = "waits", "works"
"""What ``unknown`` of a measurement says why nobody could wait, and that of a statement, why it is not known what it
does."""
BY_TABLE = frozenset({*WAITS, *WORKS})
"""What can be told of one table."""


@frozen
class Figure:
    """A number to compare with a limit; the table that it is of and the text of the statement, where it is of one. With
    ``least`` it may be more: something of it could not be measured."""

    value: float
    table: str = ""
    statement: str = ""
    least: bool = False


def known() -> frozenset[str]:
    """Everything that can have a limit, on whatever engine."""
    counters = (name for counters in MEANINGS.values() for name in counters)
    return frozenset({WALL, STATEMENT_BYTES, *BY_TABLE, *LEGACY, *OWN, *counters})


def figure_of(step: StepResult, limit: Limit, small: Collection[str]) -> Figure | None:
    """What a step came to of one of its limits; None when that was not, or cannot be, measured. A limit on all tables
    is not about those with one of their own; what is done to ``small`` ones does not count for it."""
    own = {each.table for each in step.limits if each.counter == limit.counter and each.table}
    return figure(step.measurement, limit, own.union(small if limit.counter in WORKS else ()))


def figure(measurement: Measurement | None, limit: Limit, apart: Collection[str] = ()) -> Figure | None:
    """What a measurement says about a limit; None when it was not, or cannot be, measured. A limit that is about no
    table is not about those in ``apart``."""
    if measurement is None:
        return None
    counter = limit.counter
    if counter == WALL:
        return Figure(measurement.wall_s)
    if counter in WAITS:
        return _wait(measurement, WAITS[counter], limit.table, apart)
    if counter in WORKS:
        return _work(measurement, *WORKS[counter], limit.table, apart)
    if counter == STATEMENT_BYTES:
        return _largest(measurement)
    value = measurement.counters.get(counter)
    return None if value is None else Figure(value)


def _wait(measurement: Measurement, kind: str, table: str, apart: Collection[str]) -> Figure | None:
    # Nobody waited only where somebody could have: a step that was watched has statements, if only the one that notes
    # its version, and where no session was beside it, that is said.
    if not measurement.waits and (WAITS_UNKNOWN in measurement.unknown or not measurement.statements):
        return None
    if table in measurement.unwatched:
        return None
    waits = [wait for wait in measurement.waits if wait.kind == kind and _meant(wait.table, table, apart)]
    longest = max(waits, key=lambda wait: wait.wait_s, default=None)
    if longest is None:
        return Figure(0.0, table)
    return Figure(longest.wait_s, longest.table, _blamed(measurement, kind, longest.table))


def _blamed(measurement: Measurement, kind: str, table: str) -> str:
    """The statement during which somebody waited longest for a table."""
    waited = [
        (wait.wait_s, statement.text)
        for statement in measurement.statements
        for wait in statement.waits
        if (wait.kind, wait.table) == (kind, table)
    ]
    return max(waited)[1] if waited else ""


def _work(measurement: Measurement, kind: str, size: str, table: str, apart: Collection[str]) -> Figure | None:
    if not measurement.statements:
        return None
    works = [
        (_SIZES[size](work), work, statement)
        for statement in measurement.statements
        for work in statement.works
        if work.kind == kind and _meant(work.table, table, apart)
    ]
    unknown = any(WORKS_UNKNOWN in statement.unknown for statement in measurement.statements)
    least = unknown or any(value is None for value, *_ in works)
    found = [Figure(float(value), work.table, statement.text, least) for value, work, statement in works if value]
    return max(found, key=lambda each: each.value, default=Figure(0.0, table, least=least))


def _meant(table: str, wanted: str, apart: Collection[str]) -> bool:
    return table == wanted if wanted else table not in apart


def _largest(measurement: Measurement) -> Figure | None:
    found, least = [], False
    for statement in measurement.statements:
        size = next((value for name in _LOGS if (value := statement.counters.get(name)) is not None), None)
        least = least or size is None
        if size is not None:
            found.append(Figure(math.ceil(size / max(1, statement.calls)), statement=statement.text))
    largest = max(found, key=lambda each: each.value, default=None)
    return evolve(largest, least=least) if largest else None
