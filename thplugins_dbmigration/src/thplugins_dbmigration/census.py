"""The census of a database: how many rows each table has, and how many values each column. What a step left less of.

Counts cannot tell everything: a value that another one takes the place of is not missed, and a column that is replaced
by a new one with as many values counts as renamed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from thcore.model import Loss

WIDEST = 500
"""How many columns are counted in one statement; servers have limits of 1,600 and more."""
ALIKE = 0.5
"""The share of a table's columns that one of another name must have to be taken for the same table."""
_BOOKS = re.compile(r"(.*\.)?(alembic_version\w*|migrate_version|django_migrations|_?yoyo_\w+)", re.IGNORECASE)
"""The tables in which tools keep their versions: they come, go and shrink as the tool likes."""


@frozen
class TableCensus:
    """How many rows a table has, and per column, in the table's order, in how many of them it is not NULL."""

    rows: int
    present: Mapping[str, int]


@frozen
class Column:
    """A column to count. One that is ``required`` is never NULL."""

    name: str
    required: bool


def counted(columns: Sequence[Column], count: Callable[[Sequence[str]], Sequence[int]]) -> TableCensus:
    """The census of one table. ``count`` asks the server once: how many rows, and how many values in each column
    that it is given. Those that are never NULL are not asked for."""
    optional = [column.name for column in columns if not column.required]
    rows, present = 0, dict[str, int]()
    for start in range(0, len(optional) or 1, WIDEST):
        names = optional[start : start + WIDEST]
        rows, *values = map(int, count(names))
        present |= zip(names, values, strict=True)
    return TableCensus(rows, {column.name: present.get(column.name, rows) for column in columns})


def losses(
    before: Mapping[str, TableCensus], after: Mapping[str, TableCensus], *, apart: Collection[str] = ()
) -> tuple[Loss, ...]:
    """What was there before a step and is not afterwards: rows of tables, then values of columns.

    A table or column that is there under another name is no loss, nor is what a table's vanished rows held. Tables of
    tools' own, and those named in ``apart``, are left out.
    """
    names, moved = renamed(before, after), _appeared(before, after)
    told: list[Loss] = []
    for table, old in before.items():
        if table in apart or _BOOKS.fullmatch(table):
            continue
        new = after.get(names.get(table, table))
        if new is None:
            told += [Loss(table, None, old.rows, None)] if old.rows else []
            continue
        told += [Loss(table, None, old.rows, new.rows)] if new.rows < old.rows else []
        told += _values(table, old, new, moved=moved)
    return tuple(sorted(told, key=lambda loss: loss.column is not None))


def renamed(before: Mapping[str, TableCensus], after: Mapping[str, TableCensus]) -> dict[str, str]:
    """The tables that have another name now, by their old one: those that appeared with as many rows and for the most
    part the columns of one that vanished."""
    names: dict[str, str] = {}
    for table in sorted(before.keys() - after.keys()):
        old = before[table]
        fitting = [
            name
            for name in sorted(after.keys() - before.keys() - set(names.values()))
            if old.rows and after[name].rows == old.rows and _alike(old, after[name]) >= ALIKE
        ]
        if fitting:
            names[table] = max(fitting, key=lambda name: _alike(old, after[name]))
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


def _appeared(before: Mapping[str, TableCensus], after: Mapping[str, TableCensus]) -> dict[str, int]:
    """The values of columns that are new to their tables: those of one that was dropped may have moved there."""
    found: dict[str, int] = {}
    for table, now in after.items():
        known: Iterable[str] = before[table].present if table in before else ()
        for column in now.present.keys() - set(known):
            found[column] = max(found.get(column, 0), now.present[column])
    return found
