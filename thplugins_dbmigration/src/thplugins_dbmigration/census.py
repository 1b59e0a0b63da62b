"""The census of a database: how many rows each table has, and how many values each column. What a step left less of.

Counts cannot tell everything: a value that another one takes the place of is not missed unless fewer different ones are
left, and a column that is replaced by a new one with as many values counts as renamed.
"""

from __future__ import annotations

import enum
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from attrs import evolve, field, frozen

from thcore.model import Loss

WIDEST = 500
"""How many counts are asked for in one statement; servers have limits of 1,600 and more."""
DISTINCT = 2_000_000
"""How many values of a database are looked at to tell how many are distinct: smaller tables come first. It takes a
server a second or so, four to eight times as long as to count them."""
BEYOND = (
    f"different values are counted of the smallest tables first, up to {DISTINCT:,} values; this one is beyond that"
)
INCOMPARABLE = "the server cannot tell values of this type apart at a bearable cost"
"""Why different values of a column were not counted."""
ALIKE = 0.5
"""The share of a table's columns that one of another name must have to be taken for the same table."""
_BOOKS = re.compile(r"(.*\.)?(alembic_version\w*|migrate_version|django_migrations|_?yoyo_\w+)", re.IGNORECASE)
"""The tables in which tools keep their versions: they come, go and shrink as the tool likes."""


@frozen
class TableCensus:
    """How many rows a table has, and per column, in the table's order, in how many of them it is not NULL.

    ``filled`` is for columns of text: how many texts are not empty. ``distinct`` is for those that can be compared,
    where that was looked at: how many different values there are. ``untold`` says why that is not known, by column.
    """

    rows: int
    present: Mapping[str, int]
    filled: Mapping[str, int] = field(factory=dict)
    distinct: Mapping[str, int] = field(factory=dict)
    untold: Mapping[str, str] = field(factory=dict)


@frozen
class Column:
    """A column to count. One that is ``required`` is never NULL; whether it holds ``text``, and whether the server can
    tell its values apart (``comparable``) at a bearable cost."""

    name: str
    required: bool
    text: bool = False
    comparable: bool = False


class Of(enum.Enum):
    """What of a column is counted."""

    VALUES = "values"
    TEXTS = "texts"
    """Texts that are not empty."""
    DISTINCT = "distinct"


Count = Callable[[Sequence[tuple[str, Of]]], Sequence[int]]
"""Asks the server once, in one pass over a table: how many rows, and then each of what it is given."""


def counted(columns: Sequence[Column], count: Count) -> TableCensus:
    """The census of one table, without distinct values. Values of columns that are never NULL are not asked for."""
    wanted = [(column.name, Of.VALUES) for column in columns if not column.required]
    wanted += [(column.name, Of.TEXTS) for column in columns if column.text]
    rows, found = _asked(wanted, count)
    present = {column.name: found.get((column.name, Of.VALUES), rows) for column in columns}
    return TableCensus(rows, present, {name: value for (name, of), value in found.items() if of is Of.TEXTS})


def told_apart(
    tables: Mapping[str, TableCensus], columns: Mapping[str, Sequence[Column]], counts: Mapping[str, Count]
) -> dict[str, TableCensus]:
    """The census of all tables, with the distinct values of as many as ``DISTINCT`` allows."""
    left, found = DISTINCT, dict(tables)
    comparable = {table: [column.name for column in columns[table] if column.comparable] for table in tables}
    cells = {table: tables[table].rows * len(names) for table, names in comparable.items()}
    for table in sorted((name for name in tables if tables[name].rows), key=lambda name: (cells[name], name)):
        names = comparable[table]
        untold = {column.name: INCOMPARABLE for column in columns[table] if not column.comparable}
        values: dict[tuple[str, Of], int] = {}
        left -= cells[table]
        if left < 0:
            untold |= dict.fromkeys(names, BEYOND)
        elif names:
            _, values = _asked([(name, Of.DISTINCT) for name in names], counts[table])
        told = {name: value for (name, _), value in values.items()}
        found[table] = evolve(tables[table], distinct=told, untold=untold)
    return found


def _asked(wanted: Sequence[tuple[str, Of]], count: Count) -> tuple[int, dict[tuple[str, Of], int]]:
    rows, found = 0, dict[tuple[str, Of], int]()
    for start in range(0, len(wanted) or 1, WIDEST):
        some = wanted[start : start + WIDEST]
        rows, *values = map(int, count(some))
        found |= zip(some, values, strict=True)
    return rows, found


def losses(
    before: Mapping[str, TableCensus], after: Mapping[str, TableCensus], *, apart: Collection[str] = ()
) -> tuple[Loss, ...]:
    """What was there before a step and is not afterwards: rows of tables, then values of columns, then texts that have
    been emptied and values that have become the same.

    A table or column that is there under another name is no loss, nor is what a table's vanished rows held. Tables of
    tools' own, and those named in ``apart``, are left out.
    """
    names, moved = renamed(before, after), _appeared(before, after)
    told: list[Loss] = []
    for table, old in before.items():
        if table in apart or keeps_versions(table):
            continue
        new = after.get(names.get(table, table))
        if new is None:
            told += [Loss(table, None, old.rows, None)] if old.rows else []
            continue
        told += [Loss(table, None, old.rows, new.rows)] if new.rows < old.rows else []
        told += _values(table, old, new, moved=moved)
        told += _changed(table, old, new)
    return tuple(sorted(told, key=lambda loss: (loss.column is not None, loss.kind != "gone")))


def keeps_versions(table: str) -> bool:
    """Whether a table is one of those in which tools keep their versions, by its name."""
    return _BOOKS.fullmatch(table) is not None


def renamed(before: Mapping[str, TableCensus], after: Mapping[str, TableCensus]) -> dict[str, str]:
    """The tables that have another name now, by their old one: those that appeared with as many rows and for the most
    part the columns of one that vanished."""
    names: dict[str, str] = {}
    free: dict[int, list[str]] = defaultdict(list)
    """By how many rows they have."""
    for name in sorted(after.keys() - before.keys()):
        free[after[name].rows].append(name)
    for table in sorted(before.keys() - after.keys()):
        old = before[table]
        if old.rows and free[old.rows]:
            alike, name = max(((_alike(old, after[name]), name) for name in free[old.rows]), key=lambda each: each[0])
            if alike >= ALIKE:
                names[table] = name
                free[old.rows].remove(name)
    return names


def _alike(one: TableCensus, other: TableCensus) -> float:
    both, either = one.present.keys() & other.present.keys(), one.present.keys() | other.present.keys()
    return len(both) / len(either) if either else 1.0


def _values(table: str, old: TableCensus, new: TableCensus, *, moved: Mapping[str, int]) -> Iterator[Loss]:
    gone = max(0, old.rows - new.rows)
    grown = max(0, new.rows - old.rows)
    free = [name for name in new.present if name not in old.present]
    for column, values in old.present.items():
        least = values - gone
        if column in new.present:
            if new.present[column] < least:
                yield Loss(table, column, values, new.present[column])
        elif values and moved.get(column, -1) < least:
            successor = next((name for name in free if least <= new.present[name] <= values + grown), None)
            if successor is None:
                yield Loss(table, column, values, None)
            else:
                free.remove(successor)


def _changed(table: str, old: TableCensus, new: TableCensus) -> Iterator[Loss]:
    """Values that are still there, and say less."""
    gone = max(0, old.rows - new.rows)
    for column in old.present.keys() & new.present.keys():
        missing = old.present[column] - new.present[column]
        filled, now = old.filled.get(column), new.filled.get(column)
        if filled is not None and now is not None and filled - now > max(missing, gone):
            yield Loss(table, column, filled, now, "emptied")
        elif missing <= 0 and not gone and new.distinct.get(column, old.rows) < old.distinct.get(column, 0):
            yield Loss(table, column, old.distinct[column], new.distinct[column], "merged")


def _appeared(before: Mapping[str, TableCensus], after: Mapping[str, TableCensus]) -> dict[str, int]:
    """The values of columns that are new to their tables: those of one that was dropped may have moved there."""
    found: dict[str, int] = {}
    for table, now in after.items():
        known: Iterable[str] = before[table].present if table in before else ()
        for column in now.present.keys() - set(known):
            found[column] = max(found.get(column, 0), now.present[column])
    return found
