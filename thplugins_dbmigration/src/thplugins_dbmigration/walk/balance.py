"""The balance of a step: what all tables held before it and after it, told of those tables and columns that it touched.

What a step touched is seen by two witnesses: a statement of it has the name of the table, and of the column, as a word;
or a count is another one afterwards. The first one misses what a trigger or a procedure does, the second one what
leaves all counts as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from thcore.model import Census, ColumnCount, Count, Measurement, TableCount
from thplugins_dbmigration.census import TableCensus, keeps_versions, renamed

MOST = 500
"""Columns of a step that are listed, those first whose counts changed."""
NOT_COUNTING = "the job's option silent_loss is off, so nothing is counted"
FAILED = "the step failed: nothing is counted after one that did"
TAKES_NOTHING = (
    "not counted again: no statement of the step can take rows or values away, and the server has counted no row that "
    "was updated or deleted"
)
NEW = "it was not there when all tables were counted last"
"""Before this step, or before earlier ones that take nothing."""
GONE, NO_TEXT, UNNOTED = "it is gone", "it is no column of text", "nobody noted it"
_WORD = re.compile(r"[\w$]+")
_QUOTED = tuple(map(re.compile, (r"`([^`]+)`", r'"([^"]+)"', r"\[([^\[\]]+)\]")))
"""Names in quotes, which may have anything in them. What is between two quotes may as well be no name: it is read as
words, too."""


@frozen
class Touch:
    """What the statements of a step name: the words of each, and whether it is known to its end."""

    statements: tuple[tuple[frozenset[str], bool], ...] = ()
    everything: bool = False
    """Nobody knows the statements: any table may be touched."""
    words: frozenset[str] = frozenset()
    """Those of all statements."""

    @classmethod
    def of(cls, measurement: Measurement) -> Touch:
        """Read the statements of a measurement."""
        read = tuple((_words(each.text), "text" not in each.unknown) for each in measurement.statements)
        return cls(read, "statements" in measurement.unknown, frozenset().union(*(words for words, _ in read)))

    def table(self, name: str) -> bool:
        """Whether a statement names the table."""
        return self.everything or _bare(name) in self.words

    def column(self, table: str, name: str) -> bool:
        """Whether a statement that names the table may name the column as well."""
        return self.everything or any(
            _bare(table) in words and (not whole or name.lower() in words) for words, whole in self.statements
        )


def balanced(
    before: Mapping[str, TableCensus],
    after: Mapping[str, TableCensus] | None,
    touch: Touch,
    apart: Collection[str] = (),
) -> Census:
    """What the tables held. ``after`` is None where nobody has counted them again. Tables of tools' own, and those
    named in ``apart``, are left out."""
    tables: list[TableCount] = []
    untouched: dict[str, int] = {}
    for table in _pairs(before, after, apart):
        if table.changed or touch.table(table.name) or touch.table(table.now):
            tables.append(table.told(touch))
        elif table.old is not None:
            untouched[table.name] = table.old.rows
    shown, left_out = _bounded(tables)
    return Census(shown, untouched, left_out, unknown={"after": FAILED} if after is None else {})


@frozen
class _Pair:
    """A table before and after the step. One of them is None where it is new or gone, or where nobody has counted
    again, which is not ``recounted``."""

    name: str
    now: str
    old: TableCensus | None
    new: TableCensus | None
    recounted: bool

    @property
    def changed(self) -> bool:
        if not self.recounted or (self.name, self.old) == (self.now, self.new):
            return False
        return self.name != self.now or self._rows.changed or bool(self._sides()) or any(map(_moved, self._columns()))

    def told(self, touch: Touch) -> TableCount:
        touched = tuple(
            each
            for each in self._columns()
            if _moved(each) or touch.column(self.name, each.column) or touch.column(self.now, each.column)
        )
        return TableCount(self.name, self._rows, touched, self.now if self.now != self.name else "", self._sides())

    @property
    def _rows(self) -> Count:
        return Count(self.old.rows if self.old else None, self.new.rows if self.new else None)

    def _columns(self) -> Iterator[ColumnCount]:
        names = (*(self.old.present if self.old else ()), *(self.new.present if self.new else ()))
        return map(self._column, dict.fromkeys(names))

    def _sides(self, column: str | None = None) -> dict[str, str]:
        """Why there is nothing on a side."""
        there = [held is not None and (column is None or column in held.present) for held in (self.old, self.new)]
        before = {} if there[0] else {"before": NEW}
        return before | ({} if there[1] or not self.recounted else {"after": GONE})

    def _column(self, name: str) -> ColumnCount:
        held = [each if each is not None and name in each.present else None for each in (self.old, self.new)]
        known = [each for each in held if each is not None]
        nulls = Count(*(each.rows - each.present[name] if each else None for each in held))
        empty = Count(*(_empty(each, name) if each else None for each in held))
        distinct = Count(*(_distinct(each, name) if each else None for each in held))
        unknown = self._sides(name)
        if any(_empty(each, name) is None for each in known):
            unknown["empty"] = NO_TEXT
        reasons = [each.untold.get(name, UNNOTED) for each in known if _distinct(each, name) is None]
        if reasons:
            unknown["distinct"] = "; ".join(dict.fromkeys(reasons))
        return ColumnCount(name, nulls, empty, distinct, unknown)


def _pairs(
    before: Mapping[str, TableCensus], after: Mapping[str, TableCensus] | None, apart: Collection[str]
) -> Iterator[_Pair]:
    names = renamed(before, after) if after is not None else {}
    now = after or {}
    fresh = [name for name in now if name not in before and name not in names.values()]
    for name in (*before, *fresh):
        if name not in apart and not keeps_versions(name):
            other = names.get(name, name)
            yield _Pair(name, other, before.get(name), now.get(other), recounted=after is not None)


def _empty(held: TableCensus, column: str) -> int | None:
    filled = held.filled.get(column)
    return None if filled is None else held.present[column] - filled


def _distinct(held: TableCensus, column: str) -> int | None:
    return held.distinct.get(column) if held.present[column] else 0


def _moved(column: ColumnCount) -> bool:
    counts = (column.nulls, column.empty, column.distinct)
    return any(each.changed for each in counts) or "before" in column.unknown or "after" in column.unknown


def _bounded(tables: Sequence[TableCount]) -> tuple[tuple[TableCount, ...], int]:
    """The tables with as many columns as may be listed, and how many are left out."""
    columns = sorted((column for table in tables for column in table.columns), key=lambda each: not _moved(each))
    kept = {id(column) for column in columns[:MOST]}
    shown = (evolve(table, columns=tuple(column for column in table.columns if id(column) in kept)) for table in tables)
    return tuple(shown), max(0, len(columns) - MOST)


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for pattern in (_WORD, *_QUOTED) for word in pattern.findall(text))


def _bare(table: str) -> str:
    return table.rpartition(".")[2].lower()
