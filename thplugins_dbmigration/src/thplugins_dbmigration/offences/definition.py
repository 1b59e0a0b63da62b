"""The definition of a table, and what it demands of each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from thplugins_dbmigration.offences.clause import Clause, Unreadable
from thplugins_dbmigration.offences.demand import Demand, Fits, Holds, Key, Present, Refers, Unique
from thplugins_dbmigration.offences.naming import Quote

_NOT_A_TYPE = (
    "NOT", "NULL", "DEFAULT", "PRIMARY", "UNIQUE", "KEY", "REFERENCES", "CHECK", "CONSTRAINT", "COLLATE", "CHARACTER",
    "CHARSET", "COMMENT", "AUTO_INCREMENT", "AUTOINCREMENT", "GENERATED", "AS", "AFTER", "FIRST", "ON", "USING",
    "ASCII", "UNICODE", "BINARY", "INVISIBLE", "VISIBLE", "UNSIGNED", "SIGNED", "ZEROFILL", "STORAGE", "COMPRESSION",
    "VIRTUAL", "STORED", "PERSISTENT", "SRID", "COMPRESSED", "WITHOUT",
)  # fmt: skip
"""Words after a column's type."""
_NOT_A_VALUE = (
    "NOT", "NULL", "PRIMARY", "UNIQUE", "KEY", "REFERENCES", "CHECK", "CONSTRAINT", "COLLATE", "COMMENT", "GENERATED",
    "AFTER", "FIRST", "ON", "INVISIBLE", "STORAGE",
)  # fmt: skip
"""Words after a column's default."""


@frozen
class Definition:
    """Columns in order, the columns of the primary key, and all demands. ``complete`` columns have a value in each row
    that does not give one: a default, or one that the server makes. ``values`` are those that are told, expressions by
    column."""

    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    complete: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(factory=dict)

    def __add__(self, other: Definition) -> Definition:
        return Definition(
            (*self.columns, *other.columns),
            self.key or other.key,
            (*self.demands, *other.demands),
            self.complete | other.complete,
            {**self.values, **other.values},
        )

    def named(self, text: Clause) -> tuple[str, ...]:
        """The columns that a piece of a statement speaks of, in its order."""
        known = {column.lower(): column for column in self.columns}
        said = (known.get(word.text.lower()) for word in text.words if not word.literal)
        return tuple(dict.fromkeys(column for column in said if column is not None))


def definition(clauses: Iterable[Clause], quote: Quote) -> Definition:
    """What stands between the parentheses of CREATE TABLE, element by element. What is not understood demands
    nothing."""
    made = Definition()
    for clause in clauses:
        made += element(clause, quote)
    return made


def element(clause: Clause, quote: Quote) -> Definition:
    """One column or constraint."""
    start = clause.at
    try:
        constraint = _constraint(clause, quote)
        if constraint is not None:
            return constraint
        clause.at = start
        return column(clause, quote)
    except Unreadable:
        return Definition()


def _constraint(clause: Clause, quote: Quote) -> Definition | None:
    name = ""
    if clause.take("CONSTRAINT") and not _kind_ahead(clause):
        name = clause.name()
    if clause.take("UNIQUE"):
        clause.take_any("KEY", "INDEX")
        alike = clause.take("NULLS", "NOT", "DISTINCT")
        if not clause.ahead("("):
            name = clause.name()
        clause.until("(")
        return Definition(demands=(Unique(keys(clause.group(), quote), nulls_alike=alike, name=name),))
    if clause.take("PRIMARY", "KEY"):
        clause.until("(")
        parts = keys(clause.group(), quote)
        columns = tuple(part.column for part in parts if part.column is not None)
        return Definition(key=columns, demands=(Unique(parts, name=name or "PRIMARY"), *map(Present, columns)))
    if clause.take("FOREIGN", "KEY"):
        if not clause.ahead("("):
            name = clause.name()
        columns = tuple(part.name() for part in clause.group().parts())
        clause.demand("REFERENCES")
        return Definition(demands=(_reference(clause, columns, name),))
    if clause.ahead("CHECK", "("):
        clause.take("CHECK")
        return Definition(demands=(Holds(clause.group().text, name),))
    # An index that is not unique, or something that only its server knows.
    ignored = ("KEY", "INDEX", "FULLTEXT", "SPATIAL", "EXCLUDE", "LIKE", "PERIOD")
    return Definition() if any(clause.ahead(word) for word in ignored) else None


def _kind_ahead(clause: Clause) -> bool:
    return any(clause.ahead(*words) for words in (("UNIQUE",), ("PRIMARY", "KEY"), ("FOREIGN", "KEY"), ("CHECK", "(")))


def _reference(clause: Clause, columns: tuple[str, ...], name: str = "") -> Refers:
    table = clause.table()
    others = tuple(part.name() for part in clause.group().parts()) if clause.ahead("(") else ()
    full = clause.take("MATCH", "FULL")
    follow = False
    while clause.ahead("ON", "DELETE") or clause.ahead("ON", "UPDATE"):
        deleted = clause.take("ON", "DELETE") or not clause.take("ON", "UPDATE")
        acts = clause.take("CASCADE") or clause.take("SET", "NULL") or clause.take("SET", "DEFAULT")
        follow = follow or (deleted and acts)
        clause.take_any("NO", "ACTION", "RESTRICT")
    return Refers(columns, table, others, full, follow, name)


def keys(clause: Clause, quote: Quote) -> tuple[Key, ...]:
    """The parts of a key, as an index is made of them."""
    return tuple(_key(part, quote) for part in clause.parts())


def _key(part: Clause, quote: Quote) -> Key:
    start, called = part.at, len(part.words) > part.at + 1 and part.words[part.at + 1].says("(")
    column: str | None = None
    prefix: int | None = None
    if part.ahead("("):
        expression = f"({part.group().text})"
    else:
        first = part.words[start]
        column = part.name()
        expression = quote(column)
        argument = part.group().text if called else ""
        if argument.isdigit():
            prefix = int(argument)
        elif called:
            column, expression = None, part.source[first.start : part.words[part.at - 1].end]
    collation = ""
    if part.take("COLLATE"):
        collation = ".".join(quote(word) for word in part.table().parts)
    return Key(expression, column, prefix, collation)


def column(clause: Clause, quote: Quote, name: str | None = None) -> Definition:
    """A column's definition; the column that has the values now is called ``name``, where that is another."""
    written = clause.name()
    name = name or written
    fits = type_of(clause, name)
    made = Definition(columns=(name,), demands=(fits,) if fits.type else ())
    complete = fits.type.endswith("serial")
    while not clause.done:
        constraint = ""
        if clause.take("CONSTRAINT"):
            constraint = clause.name()
        if clause.take("NOT", "NULL"):
            made += Definition(demands=(Present(name),))
        elif clause.take("PRIMARY", "KEY"):
            key = Unique((Key(quote(name), name),), name=constraint or "PRIMARY")
            # The whole number that is the key of a table of SQLite is made where it is NULL.
            given = () if fits.type == "integer" else (Present(name),)
            made += Definition(key=(name,), demands=(key, *given))
        elif clause.take("UNIQUE"):
            clause.take("KEY")
            made += Definition(demands=(Unique((Key(quote(name), name),), name=constraint or name),))
        elif clause.take("REFERENCES"):
            made += Definition(demands=(_reference(clause, (name,), constraint),))
        elif clause.ahead("CHECK", "("):
            clause.take("CHECK")
            made += Definition(demands=(Holds(clause.group().text, constraint),))
        elif clause.take("DEFAULT"):
            value = _value(clause)
            made += Definition(values={name: value})
            complete = complete or value.upper() != "NULL"
        elif clause.take("AS"):
            complete = True
            made += Definition(values={name: f"({clause.group().text})"} if clause.ahead("(") else {})
        else:
            word = clause.next()
            complete = complete or word.text.upper() in {"AUTO_INCREMENT", "GENERATED"}
    return made + Definition(complete=frozenset({name} if complete else ()))


def _value(clause: Clause) -> str:
    """What a column has where nothing is given."""
    start = clause.at
    if clause.ahead("("):
        clause.group()
    elif not clause.done:
        clause.next()
    clause.until(*_NOT_A_VALUE)
    return clause.source[clause.words[start].start : clause.words[clause.at - 1].end] if clause.at > start else ""


def type_of(clause: Clause, column: str) -> Fits:
    """Take the type of a column, and what is said about its characters."""
    start = clause.at
    words: list[str] = []
    arguments: tuple[str, ...] = ()
    while not clause.done and not _past_type(clause, first=not words):
        if clause.ahead("("):
            arguments = tuple(part.text for part in clause.group().parts())
        else:
            words.append(clause.next().text.lower())
    whole = clause.source[clause.words[start].start : clause.words[clause.at - 1].end] if clause.at > start else ""
    unsigned, charset, collation = False, "", ""
    while True:
        if clause.take("UNSIGNED") or clause.take("ZEROFILL"):
            unsigned = True
        elif clause.take("CHARACTER", "SET") or clause.take("CHARSET"):
            charset = clause.next().text
        elif clause.take("COLLATE"):
            place = clause.at
            clause.table()
            collation = clause.source[clause.words[place].start : clause.words[clause.at - 1].end]
        elif not clause.take("SIGNED"):
            break
    return Fits(column, " ".join(words), arguments, unsigned, charset, collation, whole)


def _past_type(clause: Clause, *, first: bool) -> bool:
    if first and any(clause.ahead(word) for word in ("CHARACTER", "BINARY", "UNSIGNED", "SIGNED")):
        return False
    return any(clause.ahead(word) for word in _NOT_A_TYPE) and not clause.ahead("WITHOUT", "TIME")
