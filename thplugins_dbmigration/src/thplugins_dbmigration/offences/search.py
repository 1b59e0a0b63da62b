"""Queries that find the rows which do not meet a demand."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve, frozen

from thplugins_dbmigration.offences import fitting, naming
from thplugins_dbmigration.offences.clause import Name
from thplugins_dbmigration.offences.demand import Demand, Fits, Holds, Key, Present, Refers, Unique, columns_of
from thplugins_dbmigration.offences.ground import STORED, Ground


@frozen
class Search:
    """``select`` answers the offending rows, after ``prelude`` has been run where that is not empty. ``words`` say what
    is wrong with them: what they *have*. They are of the wish's own table where no other is named."""

    kind: str
    columns: tuple[str, ...]
    select: str
    words: str
    prelude: str = ""
    table: Name | None = None

    @property
    def query(self) -> str:
        """All that somebody has to run."""
        return f"{self.prelude};\n{self.select}" if self.prelude else self.select


def searches(ground: Ground, demand: Demand) -> Iterator[Search]:
    """How to find the rows that do not meet a demand; several where they can be wrong in several ways."""
    if ground.made.added and not ground.adds(demand):
        ground = evolve(ground, made=evolve(ground.made, added=()))
    match demand:
        case Unique():
            yield from _duplicates(ground, demand)
        case Present():
            yield from _absent(ground, demand)
        case Fits():
            yield from _misfits(ground, demand)
        case Refers() if ground.has(demand.columns):
            yield from _orphans(ground, demand)
        case Holds():
            columns = ground.named(demand.condition)
            if ground.has(columns):
                words = f"values that the check does not allow: {' '.join(demand.condition.split())}"
                yield Search("check", columns, ground.where(f"NOT ({demand.condition})", columns), words)


def _duplicates(ground: Ground, demand: Unique) -> Iterator[Search]:
    told = [name for key in demand.keys for name in ((key.column,) if key.column else ground.named(key.expression))]
    columns = tuple(dict.fromkeys(told))
    if not ground.has(columns):
        return
    conditions = [f"({demand.where})"] if demand.where else []
    if not demand.nulls_alike:
        conditions += [f"{key.expression} IS NOT NULL" for key in demand.keys]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    shown = ground.shown(columns)
    alike = f"count(*) OVER (PARTITION BY {', '.join(map(_partition, demand.keys))}) AS alike"
    inner = f"SELECT {shown}, {alike} FROM {ground.source}{where}"
    order = ground.order(columns)
    found = "alike > 1" + _there_already(ground, demand)
    select = f"{ground.before}SELECT {shown} FROM ({inner}) AS found WHERE {found}" + (
        f" ORDER BY {order}" if order else ""
    )
    what = " and ".join(_said(key) for key in demand.keys)
    yield Search("duplicate", columns, select, f"the same {what} as another row")


def _partition(key: Key) -> str:
    value = key.expression if key.prefix is None else f"left({key.expression}, {key.prefix})"
    return f"{value} COLLATE {key.collation}" if key.collation else value


def _said(key: Key) -> str:
    if key.prefix is not None:
        return f"first {key.prefix} of {key.column}"
    return key.column or " ".join(key.expression.split())


def _there_already(ground: Ground, demand: Unique) -> str:
    """Rows that are to be stored may have the same as those that are there. Those of an UPDATE are there."""
    stored, columns = ground.made.stored, columns_of(demand)
    simple = len(columns) == len(demand.keys) and not demand.where and all(key.prefix is None for key in demand.keys)
    if stored is None or stored.assigned or not simple:
        return ""
    alike = " AND ".join(f"kept.{ground.quote(column)} = found.{ground.quote(column)}" for column in columns)
    return f" OR EXISTS (SELECT 1 FROM {ground.table} AS kept WHERE {alike})"


def _absent(ground: Ground, demand: Present) -> Iterator[Search]:
    name = demand.column
    if demand.new and ground.dialect == "mysql":
        return  # it gives them a value of its own
    if demand.new:
        words = f"no value for {name}, which is new, must not be NULL and has no default"
        yield Search("null", (name,), f"SELECT {ground.shown(())} FROM {ground.table}", words)
    elif ground.has((name,)):
        yield Search("null", (name,), ground.where(f"{ground.quote(name)} IS NULL", (name,)), f"no {name}")
    elif name not in ground.known.complete:
        words = f"no {name}, which the statement does not set"
        yield Search("null", (name,), f"{ground.before}SELECT {ground.shown(ground.given)} FROM {ground.source}", words)


def _misfits(ground: Ground, demand: Fits) -> Iterator[Search]:
    stored = ground.made.stored
    if stored is not None and stored.assigned and ground.dialect == "postgresql":
        using = dict(stored.assigned).get(demand.column)
        if using is not None:
            yield from _not_castable(ground, evolve(demand, using=using), stored.where)
    found = fitting.misfits(ground.dialect, demand, ground.quote) if ground.has((demand.column,)) else ()
    if ground.dialect == "postgresql" and stored is None and not found:
        now = next(
            (each for each in ground.known.demands if isinstance(each, Fits) and each.column == demand.column), None
        )
        if now is not None and fitting.is_number(now) and not demand.using:
            found = fitting.out_of_range(demand, ground.quote)
        if not found:
            yield from _not_castable(ground, demand)
    for misfit in found:
        columns = (demand.column,)
        yield Search(misfit.kind, columns, ground.where(misfit.condition, columns), misfit.words)


_TRIED = """\
CREATE OR REPLACE FUNCTION pg_temp.fits(tried {table}) RETURNS boolean LANGUAGE plpgsql AS $fits$
BEGIN
  PERFORM CAST(({value}) AS {type}) FROM (SELECT tried.*) AS {name};
  RETURN true;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END $fits$"""


def _not_castable(ground: Ground, demand: Fits, where: str = "") -> Iterator[Search]:
    """PostgreSQL can say of a value only by trying whether it can be cast, and ends at the first that cannot."""
    value = demand.using or ground.quote(demand.column)
    if "$fits$" in value + demand.whole:
        return
    stored = ground.made.stored
    name = ground.quote((stored.alias if stored is not None else "") or ground.made.table.last)
    prelude = _TRIED.format(table=ground.table, value=value, type=demand.whole, name=name)
    columns = ground.named(value) or (demand.column,)
    also = f"({where}) AND " if where else ""
    select = f"SELECT {ground.shown(columns)} FROM {ground.table} AS {name} WHERE {also}NOT pg_temp.fits({name})"
    for kind in ("out-of-range", "invalid-date", "invalid-text"):
        yield Search(kind, columns, select, f"a value in {' or '.join(columns)} that is no {demand.whole}", prelude)


def _orphans(ground: Ground, demand: Refers) -> Iterator[Search]:
    others = demand.others or ground.look_up(demand.table).key
    if len(others) != len(demand.columns):
        return
    quote = ground.quote
    own = [f"child.{quote(column)}" for column in demand.columns]
    alike = [f"parent.{quote(other)} = {column}" for other, column in zip(others, own, strict=True)]
    parents = naming.table(ground.dialect, demand.table)
    absent = f"NOT EXISTS (SELECT 1 FROM {parents} AS parent WHERE {' AND '.join(alike)})"
    if ground.made.stored is not None and demand.table.last.lower() == ground.made.table.last.lower():
        absent += f" AND NOT EXISTS (SELECT 1 FROM {STORED} AS parent WHERE {' AND '.join(alike)})"
    condition = " AND ".join((*(f"{column} IS NOT NULL" for column in own), absent))
    if demand.full and len(own) > 1:
        some, none = (f" {word} ".join(f"{column} IS NULL" for column in own) for word in ("OR", "AND"))
        condition = f"({condition}) OR (({some}) AND NOT ({none}))"
    words = f"no row in {demand.table} for {' and '.join(demand.columns)}"
    select = ground.where(condition, demand.columns, alias="child")
    yield Search("orphan", demand.columns, select, words)
