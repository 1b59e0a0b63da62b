"""All that a statement demands of rows, with what it demands of them through the definition of their table."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from thplugins_dbmigration.offences.definition import Definition
from thplugins_dbmigration.offences.demand import Demand, Fits, Key, Unique
from thplugins_dbmigration.offences.fitting import quoted_word
from thplugins_dbmigration.offences.naming import quoting
from thplugins_dbmigration.offences.wish import Wish

_TEXTS = frozenset(
    {"char", "character", "varchar", "character varying", "tinytext", "text", "mediumtext", "longtext", "enum", "set"}
)


def demanded(dialect: str, made: Wish, known: Definition) -> tuple[Demand, ...]:
    """All that a wish demands of rows of a table that is defined like that."""
    if made.stored is not None:
        return known.demands
    named = tuple(demand for demand in known.demands if getattr(demand, "name", "") in made.constraints)
    texts = tuple(
        evolve(demand, charset=made.charset, collation=made.collation)
        for demand in known.demands
        if made.charset and isinstance(demand, Fits) and demand.type in _TEXTS
    )
    own = (*made.demands, *named, *texts)
    altered = {demand.column: demand for demand in own if isinstance(demand, Fits)}
    return (*own, *_renewed(dialect, known, altered))


def _renewed(dialect: str, known: Definition, altered: dict[str, Fits]) -> Iterator[Unique]:
    """The keys that are there, on the values that columns are about to have: another collation or a conversion may make
    some of them alike."""
    for demand in known.demands:
        if isinstance(demand, Unique) and any(key.column in altered for key in demand.keys):
            keys = (_new(dialect, key, altered.get(key.column or "")) for key in demand.keys)
            yield evolve(demand, keys=tuple(keys))


def _new(dialect: str, key: Key, fits: Fits | None) -> Key:
    if fits is None or key.column is None:
        return key
    expression = key.expression
    if dialect == "postgresql":
        expression = f"CAST(({fits.using or quoting(dialect)(fits.column)}) AS {fits.whole})"
    elif fits.charset:
        expression = f"convert({expression} USING {quoted_word(fits.charset)})"
    return evolve(key, expression=expression, collation=fits.collation or key.collation)
