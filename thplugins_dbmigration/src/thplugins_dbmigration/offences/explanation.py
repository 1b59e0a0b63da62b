"""From a failed statement to the rows that it cannot do with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from attrs import evolve, frozen

from thcore.model import Offence
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.inquiry import Unanswered
from thplugins_dbmigration.engines.literals import literals
from thplugins_dbmigration.offences import removal
from thplugins_dbmigration.offences.catalogue import Ask, look_up, referring
from thplugins_dbmigration.offences.clause import Name, Unreadable
from thplugins_dbmigration.offences.confidential import MASK, Confidential, blotted, is_confidential, touches
from thplugins_dbmigration.offences.definition import Definition
from thplugins_dbmigration.offences.demand import Demand, Fits, Refers, columns_of
from thplugins_dbmigration.offences.demanded import demanded
from thplugins_dbmigration.offences.failure import Failure, failure
from thplugins_dbmigration.offences.ground import Ground
from thplugins_dbmigration.offences.search import Search, searches
from thplugins_dbmigration.offences.wish import Wish, wish

ROWS = 5
"""Offending rows that are shown."""
LONGEST = 80
"""Characters of a value that is shown."""


@frozen
class Failed:
    """A statement that failed with an ``error``: the server's code and message. ``earlier`` are the statements of the
    same transaction before it, of which the server has undone everything."""

    text: str
    error: str
    earlier: tuple[str, ...] = ()


@frozen
class Explained:
    """Offending rows, and what is wrong with them in a sentence."""

    offence: Offence
    sentence: str

    def without(self, values: Collection[str]) -> Explained:
        """The same, without these values of the statement."""
        offence = evolve(self.offence, query=blotted(self.offence.query, values))
        return Explained(offence, blotted(self.sentence, values))

    def lines(self) -> tuple[str, ...]:
        """It in full, for people."""
        rows = [", ".join(f"{name} {_shown(value)}" for name, value in row.items()) for row in self.offence.rows]
        more = self.offence.count - len(rows)
        return (
            f"{self.sentence}:",
            *(f"  {row}" for row in rows),
            *([f"  and {more:,} more"] if more > 0 else []),
            *f"This finds them: {self.offence.query}".splitlines(),
        )


def explain(server: Server, address: Address, failed: Failed, confidential: Confidential) -> tuple[Explained, ...]:
    """The rows on the server that a statement failed for, as far as they can be found. Nothing where its error is not
    about rows, or where the statement or the database does not let them be found. ``confidential`` columns are masked,
    and where there are any, so is every value that the query has from the statement.

    Takes a minute at most, and leaves nothing behind.
    """
    said = failure(address.dialect, failed.error)
    if not said.kinds:
        return ()
    try:
        made = wish(address.dialect, failed.text)
        with server.inquiry(address, failed.earlier) as ask:
            wishes = (made,) if made is not None else _late(ask, address.dialect, said)
            found = [
                explained for each in wishes for explained in _explained(ask, address.dialect, each, said, confidential)
            ]
            values = literals(address.dialect, failed.text) if confidential else ()
            return tuple(explained.without(values) for explained in found)
    except (Unreadable, Unanswered, RecursionError):
        return ()


def _late(ask: Ask, dialect: str, said: Failure) -> Iterator[Wish]:
    """What was to be made sure of by a COMMIT, or by whatever it was that wants nothing itself. SQLite does not say
    which reference it is."""
    if said.table and said.constraints:
        yield Wish(Name((said.table,)), constraints=said.constraints)
    elif dialect == "sqlite" and "orphan" in said.kinds:
        for table in referring(ask, dialect, Name(("",))):
            found = look_up(ask, dialect, table).demands
            yield Wish(table, tuple(demand for demand in found if isinstance(demand, Refers)))


def _explained(ask: Ask, dialect: str, made: Wish, said: Failure, confidential: Confidential) -> Iterator[Explained]:
    known = look_up(ask, dialect, made.table)
    ground = Ground(dialect, made, known, lambda name: look_up(ask, dialect, name))
    seen: set[str] = set()
    for search in _searches(ask, ground, said):
        if search.kind in said.kinds and search.query not in seen:
            seen.add(search.query)
            try:
                yield from _found(ask, made, search, confidential)
            except Unanswered:
                continue  # it may name what only exists after the statement


def _searches(ask: Ask, ground: Ground, said: Failure) -> Iterator[Search]:
    if ground.made.removed is not None:
        for child in referring(ask, ground.dialect, ground.made.table) if "orphan" in said.kinds else ():
            yield from removal.searches(ground, ground.made.removed, child)
    for demand in _relevant(_demands(ground.dialect, ground.made, ground.known, said), said):
        yield from searches(ground, demand)


def _demands(dialect: str, made: Wish, known: Definition, said: Failure) -> tuple[Demand, ...]:
    """All that the statement demands. One that has a table written anew demands of each value that it still fits,
    which an old value may not; the error names its column."""
    demands = demanded(dialect, made, known)
    names = set(said.columns) - {column for demand in demands for column in columns_of(demand)}
    return (*demands, *(each for each in known.demands if isinstance(each, Fits) and each.column in names))


def _relevant(demands: tuple[Demand, ...], said: Failure) -> tuple[Demand, ...]:
    """Those that the error names, where it names any."""
    constraints = {name.lower() for name in said.constraints}
    columns = {name.lower() for name in said.columns}
    named = [demand for demand in demands if getattr(demand, "name", "").lower() in constraints - {""}]
    named = named or [demand for demand in demands if columns and {c.lower() for c in columns_of(demand)} == columns]
    return tuple(named) or demands


def _found(ask: Ask, made: Wish, search: Search, confidential: Confidential) -> Iterator[Explained]:
    if search.prelude:
        ask(search.prelude)
    rows = ask(f"{search.select} LIMIT {ROWS}")
    if not rows:
        return
    count = len(rows)
    if count == ROWS:
        count = int(ask(f"SELECT count(*) AS offending FROM ({search.select}) AS counted")[0]["offending"])
    table = str(search.table or made.table)
    masked = _masked(made, table, confidential)
    shown = tuple({name: MASK if masked(name) else _text(value) for name, value in row.items()} for row in rows)
    have = "has" if count == 1 else "have"
    which = (
        f"{_number(count)} of {table}"
        if made.stored is None or made.stored.assigned
        else f"{_number(count)} for {table}"
    )
    yield Explained(
        Offence(search.kind, table, search.columns, count, search.query, shown), f"{which} {have} {search.words}"
    )


def _masked(made: Wish, table: str, confidential: Confidential) -> Callable[[str], bool]:
    # Rows to be stored may come from other tables, under other names.
    mixed = made.stored is not None and touches(confidential, set(confidential))
    return lambda column: mixed or is_confidential(confidential, table, column)


def _number(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = "0x" + bytes(value).hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _shown(value: str | None) -> str:
    """A value in a line: what is not fit to print is told as Python writes it."""
    if value is None:
        return "NULL"
    return value if value.isprintable() and value == value.strip() and value else repr(value)
