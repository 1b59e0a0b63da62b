"""What a session of the gate's own adds to the counters of a MySQL server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from thplugins_dbmigration.measure.mysql import ALSO_CALLED, COUNTERS, SESSION_COUNTERS

_STATUS = "SHOW {} STATUS WHERE Variable_name IN ({})"
_OWN = _STATUS.format("SESSION", ", ".join(f"'{name}'" for name in SESSION_COUNTERS))
_TOTALS = _STATUS.format("GLOBAL", ", ".join(f"'{name}'" for name in (*COUNTERS, *ALSO_CALLED.values())))


def told(cursor: Any) -> dict[str, int]:
    """The session's own counters, in lower case."""
    return _asked(cursor, _OWN)


def in_all(cursor: Any) -> dict[str, int]:
    """The counters of the whole server that it has, in lower case."""
    return _asked(cursor, _TOTALS)


def _asked(cursor: Any, question: str) -> dict[str, int]:
    cursor.execute(question)
    return {name.lower(): int(value) for name, value in cursor.fetchall()}


def cost_of_telling(cursor: Any, counters: Callable[[], Mapping[str, int | None]]) -> dict[str, int]:
    """What it costs to be ``told``: a session does not count that in its own, but in the server's ``counters``."""
    before = counters()
    told(cursor)
    after = counters()
    return {name: (after[name] or 0) - (before[name] or 0) for name in SESSION_COUNTERS}


@frozen
class Share:
    """Of one session, from when this was made on."""

    cursor: Any
    _cost: Mapping[str, int]
    _before: Mapping[str, int]

    @classmethod
    def begin(cls, cursor: Any, cost: Mapping[str, int]) -> Share:
        """Count from here on. ``cost`` is that of telling."""
        return cls(cursor, cost, told(cursor))

    def end(self) -> dict[str, int]:
        """The share, with what it costs to tell it."""
        now = told(self.cursor)
        return {
            name: now[name.lower()] - self._before[name.lower()] + self._cost[name]
            for name in SESSION_COUNTERS
            if name.lower() in now
        }
