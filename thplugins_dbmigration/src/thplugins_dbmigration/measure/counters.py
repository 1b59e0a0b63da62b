"""The counters around a step: their difference, their meaning, and the names that turbo-hipster's limits use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from thplugins_dbmigration.measure import mysql, postgresql, sampling, sizes, sqlite, tenures
from thplugins_dbmigration.measure.meaning import Meaning

MEANINGS: Mapping[str, Mapping[str, Meaning]] = {
    "mysql": mysql.COUNTERS,
    "postgresql": postgresql.COUNTERS,
    "sqlite": sqlite.COUNTERS,
}
"""Unit and meaning of every counter, by engine."""

STATEMENTS: Mapping[str, Mapping[str, Meaning]] = {
    "mysql": mysql.STATEMENT_COUNTERS,
    "postgresql": postgresql.STATEMENT_COUNTERS,
}
"""Unit and meaning of the counters of one statement, by engine."""

LEGACY: Mapping[str, Meaning] = {
    "Innodb_rows_read": Meaning("rows", "rows read, as turbo-hipster's limit of that name means it"),
    "XInnodb_rows_changed": Meaning("rows", "rows inserted, updated and deleted together"),
}
"""turbo-hipster's counters, which every measurement has."""

OWN: Mapping[str, Meaning] = {**sizes.COUNTERS, **sampling.COUNTERS, **tenures.COUNTERS}
"""What is found out around the steps that a change adds, on every engine."""

WITHOUT_FAILED: Mapping[str, str] = dict.fromkeys(postgresql.SUMMED, postgresql.NOT_OF_FAILED)
"""The counters that nobody knows of a step in which a statement failed, and why."""

FORGOTTEN = frozenset(postgresql.SUMMED)
"""The counters that a server which has told them and does not any more will never tell again."""

_EQUIVALENTS: Mapping[str, Callable[[dict[str, int | None]], dict[str, int | None]]] = {
    "mysql": mysql.equivalents,
    "postgresql": postgresql.equivalents,
    "sqlite": sqlite.equivalents,
}


def difference(before: Mapping[str, int | None], after: Mapping[str, int | None]) -> dict[str, int | None]:
    """What was counted between two readings of ``Server.counters``. None where either reading does not know, or where
    the counter does not exist in both. A size may shrink: differences can be negative."""
    result: dict[str, int | None] = {}
    for name in {**before, **after}:
        first, last = before.get(name), after.get(name)
        result[name] = last - first if first is not None and last is not None else None
    return result


def measured(engine: str, before: Mapping[str, int | None], after: Mapping[str, int | None]) -> dict[str, int | None]:
    """The difference, with turbo-hipster's counters added from their equivalents on this engine."""
    delta = difference(before, after)
    legacy = _EQUIVALENTS.get(engine, sqlite.equivalents)(delta)
    return {**delta, **legacy}


def meaning(engine: str, counter: str) -> Meaning | None:
    """Unit and meaning of a counter, None when it is not known."""
    for known in (MEANINGS.get(engine, {}), STATEMENTS.get(engine, {}), LEGACY, OWN):
        if counter in known:
            return known[counter]
    return None
