"""What a database holds, as one number for each column: whether two states of it hold the same.

A number is the sum, over all rows, of a checksum of the row's primary key and the value. The order of rows does not
matter; which row has which value does, where the table has a primary key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from attrs import frozen


@frozen
class TableSum:
    """The rows of a table, the columns of its primary key, and a number for each of its columns. Generated columns have
    no values of their own and are left out."""

    rows: int
    key: tuple[str, ...]
    columns: Mapping[str, int]


@frozen
class SummedColumn:
    """A column to sum. ``key`` is its place in the primary key, from 1; 0: it is not in it."""

    name: str
    key: int = 0


Sums = Mapping[str, TableSum]
"""By table, named as in a census."""


def key_of(columns: Collection[SummedColumn]) -> tuple[str, ...]:
    """The columns of the primary key, in its order."""
    return tuple(column.name for column in sorted(columns, key=lambda column: column.key) if column.key)


def changed(one: Sums, other: Sums, *, here: str, there: str) -> Mapping[str, str]:
    """What the tables and columns that both have hold otherwise: lines for people, by table, or table and column.
    ``here`` and ``there`` say when each of them was: ``before``, ``after going back``."""
    told: dict[str, str] = {}
    for table in sorted(one.keys() & other.keys()):
        mine, theirs = one[table], other[table]
        if mine.rows != theirs.rows:
            told[table] = f"table {table}: {mine.rows} rows {here}, {theirs.rows} {there}"
        elif mine.key != theirs.key:
            told[table] = f"table {table}: another primary key {there}, so that its values cannot be compared"
        else:
            for column, number in mine.columns.items():
                if theirs.columns.get(column, number) != number:
                    told[f"{table}.{column}"] = f"column {table}.{column}: other values {there} than {here}"
    return told
