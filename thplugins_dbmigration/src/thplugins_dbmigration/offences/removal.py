"""Queries that find the rows which refer to rows that are to be deleted."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from thplugins_dbmigration.offences import naming
from thplugins_dbmigration.offences.clause import Name
from thplugins_dbmigration.offences.demand import Refers
from thplugins_dbmigration.offences.ground import Ground
from thplugins_dbmigration.offences.search import Search
from thplugins_dbmigration.offences.wish import Removed, Wish


def searches(ground: Ground, removed: Removed, child: Name) -> Iterator[Search]:
    """Of a table that refers to the one that rows are deleted of."""
    known = ground.look_up(child)
    for demand in known.demands:
        same = isinstance(demand, Refers) and demand.table.last.lower() == ground.made.table.last.lower()
        if isinstance(demand, Refers) and same and not demand.follow:
            yield from _referring(evolve(ground, made=Wish(child), known=known), demand, removed, ground)


def _referring(children: Ground, demand: Refers, removed: Removed, parents: Ground) -> Iterator[Search]:
    others = demand.others or parents.known.key
    if len(others) != len(demand.columns):
        return
    quote = children.quote
    parent = quote(removed.alias or parents.made.table.last)
    alike = [
        f"{parent}.{quote(other)} = child.{quote(column)}" for other, column in zip(others, demand.columns, strict=True)
    ]
    conditions = [*([f"({removed.where})"] if removed.where else []), *alike]
    table = naming.table(parents.dialect, parents.made.table)
    there = f"EXISTS (SELECT 1 FROM {table} AS {parent} WHERE {' AND '.join(conditions)})"
    words = f"a {' and '.join(demand.columns)} that is to be deleted from {parents.made.table}"
    select = children.where(there, demand.columns, alias="child")
    yield Search("orphan", demand.columns, select, words, table=children.made.table)
