"""What a failed statement wanted: of which rows it demands what."""

from __future__ import annotations

import re

from attrs import evolve, frozen

from thplugins_dbmigration.offences.clause import Clause, Name, Unreadable, read
from thplugins_dbmigration.offences.definition import Definition, column, element, keys, type_of
from thplugins_dbmigration.offences.demand import Added, Demand, Fits, Present, Unique
from thplugins_dbmigration.offences.naming import Quote, quoting


@frozen
class Stored:
    """Rows that are to be stored in a table, as a SELECT. ``columns`` is what they give, empty for all in the table's
    order. An ``assigned`` column has an expression here, for rows that are there and that ``where`` holds for."""

    columns: tuple[str, ...] = ()
    select: str = ""
    assigned: tuple[tuple[str, str], ...] = ()
    where: str = ""
    alias: str = ""


@frozen
class Removed:
    """The rows of a table that ``where`` holds for, all where that is empty."""

    where: str = ""
    alias: str = ""


@frozen
class Wish:
    """``demands`` are those that the statement makes itself. It makes ``all`` of the table's own demands as well of
    rows that it stores, and those that are named in ``constraints``; ``charset`` and
    ``collation`` are what it converts all text to. ``added`` are columns that the table gets, of which is known what
    they have in rows that are there."""

    table: Name
    demands: tuple[Demand, ...] = ()
    added: tuple[Added, ...] = ()
    stored: Stored | None = None
    constraints: tuple[str, ...] = ()
    charset: str = ""
    collation: str = ""
    removed: Removed | None = None


def wish(dialect: str, statement: str) -> Wish | None:
    """What a statement wants, None where it is of a kind that rows cannot be at fault for. Raises Unreadable."""
    # A statement that begins with REPLACE is one word for the reader; rows that are there are no obstacle to it.
    clause = read(dialect, re.sub(r"(?i)^\s*REPLACE\b", "INSERT", statement))
    quote = quoting(dialect)
    if clause.take("CREATE"):
        clause.take("OR", "REPLACE")
        return _unique_index(clause, quote) if clause.take("UNIQUE", "INDEX") else None
    if clause.take("ALTER"):
        clause.take_any("IGNORE", "ONLINE")
        return _alter(clause, quote) if clause.take("TABLE") else None
    if clause.take("INSERT"):
        return _insert(clause)
    if clause.take("DELETE"):
        return _delete(clause)
    return _update(clause) if clause.take("UPDATE") else None


def _unique_index(clause: Clause, quote: Quote) -> Wish:
    clause.take("CONCURRENTLY")
    clause.take("IF", "NOT", "EXISTS")
    name = "" if clause.ahead("ON") else clause.table().last
    clause.demand("ON")
    clause.take("ONLY")
    table = clause.table()
    clause.until("(")
    parts = keys(clause.group(), quote)
    if clause.take("INCLUDE"):
        clause.group()
    alike = clause.take("NULLS", "NOT", "DISTINCT")
    clause.until("WHERE")
    where = clause.text if clause.take("WHERE") else ""
    return Wish(table, (Unique(parts, where, alike, name),))


def _alter(clause: Clause, quote: Quote) -> Wish:
    clause.take("IF", "EXISTS")
    clause.take("ONLY")
    made = Wish(clause.table())
    for action in clause.parts():
        try:
            made = _action(made, action, quote)
        except Unreadable:
            continue  # the other actions may be to blame
    return made


def _action(made: Wish, action: Clause, quote: Quote) -> Wish:
    if action.take("ADD"):
        added, demands = _added(action, quote)
        return evolve(made, demands=(*made.demands, *demands), added=(*made.added, *added))
    if action.take("MODIFY") or action.take("CHANGE"):
        renames = action.words[action.at - 1].says("CHANGE")
        action.take("COLUMN")
        action.take("IF", "EXISTS")
        old = action.name() if renames else None
        return evolve(made, demands=(*made.demands, *column(action, quote, old).demands))
    if action.take("ALTER"):
        action.take("COLUMN")
        return evolve(made, demands=(*made.demands, *_altered(action)))
    if action.take("CONVERT", "TO"):
        if not action.take("CHARSET"):
            action.demand("CHARACTER", "SET")
        charset = action.next().text
        return evolve(made, charset=charset, collation=action.next().text if action.take("COLLATE") else "")
    if action.take("VALIDATE", "CONSTRAINT"):
        return evolve(made, constraints=(*made.constraints, action.name()))
    return made


def _added(action: Clause, quote: Quote) -> tuple[list[Added], list[Demand]]:
    is_column = action.take("COLUMN")
    action.take("IF", "NOT", "EXISTS")
    elements = list(action.group().parts()) if action.ahead("(") else [action]
    added: list[Added] = []
    demands: list[Demand] = []
    for each in elements:
        made = column(each, quote) if is_column else element(each, quote)
        new = _new(made)
        if new is not None:
            added.append(new)
        for demand in made.demands:
            if isinstance(demand, Present) and made.columns and not made.complete:
                demands.append(evolve(demand, new=True))
            elif not (made.columns and (new is None or isinstance(demand, Fits))):
                demands.append(demand)
    return added, demands


def _new(made: Definition) -> Added | None:
    """The column that a definition is of, None where it is of none, or nobody knows its values."""
    fits = next((demand for demand in made.demands if isinstance(demand, Fits)), None)
    if fits is None or not made.columns:
        return None
    value = made.values.get(fits.column, "")
    if (made.complete and not value) or re.search(r"\bnextval\b", value, re.IGNORECASE):  # which would use it up
        return None
    return Added(fits, value, any(isinstance(demand, Present) for demand in made.demands))


def _altered(action: Clause) -> tuple[Demand, ...]:
    name = action.name()
    if action.take("SET", "NOT", "NULL"):
        return (Present(name),)
    action.take("SET", "DATA")
    if not action.take("TYPE"):
        return ()
    fits = type_of(action, name)
    action.until("USING")
    return (evolve(fits, using=action.text if action.take("USING") else ""),)


def _insert(clause: Clause) -> Wish:
    if clause.take("OR"):
        clause.next()
    clause.take_any("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO")
    table = clause.table()
    if clause.take("AS"):
        clause.name()
    columns: tuple[str, ...] = ()
    if clause.ahead("(") and not clause.ahead("(", "SELECT"):
        columns = tuple(part.name() for part in clause.group().parts())
    if clause.take("OVERRIDING"):
        clause.next()
        clause.demand("VALUE")
    body = clause.until("ON", "RETURNING") if clause.ahead("VALUES") else _rows(clause)
    if body.take("VALUES") or body.take("VALUE"):
        tuples = [part.group().text for part in body.parts()]
        return Wish(table, stored=Stored(columns, " UNION ALL ".join(f"SELECT {values}" for values in tuples)))
    if body.take("SET"):
        pairs = [_assignment(part) for part in body.parts()]
        names = tuple(name for name, _ in pairs)
        return Wish(table, stored=Stored(names, "SELECT " + ", ".join(value for _, value in pairs)))
    if not any(body.ahead(word) for word in ("SELECT", "WITH", "(", "TABLE")):
        raise Unreadable("it stores nothing that is known")
    return Wish(table, stored=Stored(columns, body.text))


def _rows(clause: Clause) -> Clause:
    """What an INSERT takes its rows from: up to what it does with those that are there already. A SELECT has an ON of
    its own, for each JOIN."""
    start = clause.at
    while not clause.done:
        clause.until("ON", "RETURNING")
        if clause.ahead("ON", "CONFLICT") or clause.ahead("ON", "DUPLICATE") or clause.ahead("RETURNING"):
            break
        if not clause.done:
            clause.next()
    return Clause(clause.source, clause.words[start : clause.at], clause.folded)


def _assignment(part: Clause) -> tuple[str, str]:
    name = part.table().last
    part.demand("=")
    return name, part.text


def _update(clause: Clause) -> Wish:
    if clause.take("OR"):
        clause.next()
    clause.take_any("LOW_PRIORITY", "IGNORE", "ONLY")
    table = clause.table()
    alias = ""
    if not clause.ahead("SET"):
        clause.take("AS")
        alias = clause.name()
    clause.demand("SET")
    assigned = tuple(_assignment(part) for part in clause.until("WHERE", "FROM", "ORDER", "LIMIT", "RETURNING").parts())
    where = clause.until("ORDER", "LIMIT", "RETURNING").text if clause.take("WHERE") else ""
    if not clause.done and not clause.ahead("RETURNING"):
        raise Unreadable("what it does to which row depends on more than the row")
    return Wish(table, stored=Stored(assigned=assigned, where=where, alias=alias))


def _delete(clause: Clause) -> Wish:
    clause.take_any("LOW_PRIORITY", "QUICK", "IGNORE")
    clause.demand("FROM")
    clause.take("ONLY")
    table = clause.table()
    alias = ""
    if clause.take("AS") or not (clause.done or clause.ahead("WHERE") or clause.ahead("RETURNING")):
        alias = clause.name()
    where = clause.until("ORDER", "LIMIT", "RETURNING").text if clause.take("WHERE") else ""
    if not clause.done and not clause.ahead("RETURNING"):
        raise Unreadable("which rows it removes depends on more than the row")
    return Wish(table, removed=Removed(where, alias))
