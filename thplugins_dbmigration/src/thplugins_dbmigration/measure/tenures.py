"""How long locks were held, from looks at those that were held at one moment."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterable

from attrs import define, evolve, field, frozen

from thcore.model import TableLock
from thplugins_dbmigration.measure.lock_view import Against, Held
from thplugins_dbmigration.measure.meaning import Meaning

ROWS_LOCKED = "rows_locked"
COUNTERS = {
    ROWS_LOCKED: Meaning(
        "rows",
        "the most rows that one transaction had locked at once; looked at every 120 ms, and told by InnoDB alone",
    ),
}
"""They depend a little on the moment at which is looked: limit them with room."""


@frozen
class Tenure:
    """The time for which somebody had a lock, in seconds from the step's start: it was taken after ``free_s``, was had
    from ``began_s`` to ``ended_s``, and was given back before ``gone_s``."""

    lock: Held
    free_s: float
    began_s: float
    ended_s: float
    gone_s: float

    @property
    def held_s(self) -> float:
        """How long it was had at least. 0 where it was seen once only."""
        return max(0.0, self.ended_s - self.began_s)

    @property
    def at_most_s(self) -> float:
        """How long it can have been had."""
        return self.gone_s - self.free_s

    def told(self) -> TableLock:
        """The same, as a measurement has it."""
        lock = self.lock
        return TableLock(
            lock.table,
            lock.mode,
            str(lock.against),
            self.held_s,
            self.at_most_s,
            self.began_s,
            lock.index,
            lock.rows,
        )


@define
class Tenures:
    """What came of looking again and again, in the order of time. ``unseen_s`` is the longest time in which nobody
    looked: a lock that was held for longer has been seen."""

    ended: list[Tenure] = field(factory=list)
    unseen_s: float = 0.0
    _open: list[Tenure] = field(factory=list)
    _asked_s: float = 0.0
    """When the last look began."""

    def seen(self, asked_s: float, answered_s: float, locks: Iterable[Held]) -> None:
        """Enter a look: these locks, and no others, were had at some moment between question and answer."""
        before: dict[tuple[str, str, str], list[Tenure]] = collections.defaultdict(list)
        for tenure in self._open:
            before[_place(tenure.lock)].append(tenure)
        self._open = []
        for lock in locks:
            there = before[_place(lock)]
            same = next((tenure for tenure in there if not tenure.lock.holders.isdisjoint(lock.holders)), None)
            if same is None:
                self._open.append(Tenure(lock, self._asked_s, answered_s, answered_s, answered_s))
            else:
                there.remove(same)
                more = evolve(lock, rows=max(lock.rows or 0, same.lock.rows or 0) if lock.rows is not None else None)
                self._open.append(evolve(same, lock=more, ended_s=asked_s))
        self.ended += [evolve(tenure, gone_s=answered_s) for there in before.values() for tenure in there]
        self.unseen_s = max(self.unseen_s, answered_s - self._asked_s)
        self._asked_s = asked_s

    def over(self, at_s: float) -> None:
        """The step has ended, whoever has a lock still."""
        self.ended += [evolve(tenure, gone_s=max(at_s, tenure.ended_s)) for tenure in self._open]
        self._open = []
        self.unseen_s = max(self.unseen_s, at_s - self._asked_s)


def longest_each(tenures: Iterable[Tenure]) -> tuple[TableLock, ...]:
    """The longest time of each mode on each table and each index, those that kept out most first, of these those on
    whole tables, and of these the longest."""
    found: dict[tuple[str, str, str], Tenure] = {}
    for tenure in tenures:
        key = _place(tenure.lock)
        kept = found.get(key)
        if kept is None or (tenure.held_s, tenure.at_most_s) > (kept.held_s, kept.at_most_s):
            found[key] = tenure
    ranks = list(Against)

    def place(each: Tenure) -> tuple[int, bool, float, float]:
        return (ranks.index(each.lock.against), bool(each.lock.index), -each.held_s, -each.at_most_s)

    return tuple(tenure.told() for tenure in sorted(found.values(), key=place))


def most_rows(tenures: Collection[Tenure]) -> int:
    """The most rows that one transaction was seen to have locked at once."""
    return max((tenure.lock.rows or 0 for tenure in tenures), default=0)


def _place(lock: Held) -> tuple[str, str, str]:
    return (lock.table, lock.index, lock.mode)
