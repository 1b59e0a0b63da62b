"""Where to search for rows that offend: those of a table, or those that a statement wants to store in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, frozen

from thplugins_dbmigration.offences import fitting, naming
from thplugins_dbmigration.offences.clause import Clause, Name, Unreadable, read
from thplugins_dbmigration.offences.definition import Definition
from thplugins_dbmigration.offences.demand import Added, Demand, Holds, Unique, columns_of
from thplugins_dbmigration.offences.naming import Quote, quoting
from thplugins_dbmigration.offences.wish import Stored, Wish

STORED = "new_rows"
"""What queries call the rows that a statement wants to store, or those of a table with the columns that it adds. It
is no word of SQL's, of which each server has others."""


@frozen
class Ground:
    """Where to search: the rows of ``made.table``, or those that are to be stored in it. ``known`` is the table's
    definition, ``look_up`` answers those of others."""

    dialect: str
    made: Wish
    known: Definition
    look_up: Callable[[Name], Definition]

    @property
    def quote(self) -> Quote:
        return quoting(self.dialect)

    @property
    def table(self) -> str:
        return naming.table(self.dialect, self.made.table)

    @property
    def source(self) -> str:
        """What to select from."""
        return self.table if self.made.stored is None and not self.made.added else STORED

    @property
    def given(self) -> tuple[str, ...]:
        """The columns that rows of the source have."""
        stored = self.made.stored
        return (stored.columns if stored is not None else ()) or self._columns

    @property
    def before(self) -> str:
        """What a query of the source begins with."""
        stored, added = self.made.stored, self.made.added
        if added:
            new = ", ".join(f"{self._value(each)} AS {self.quote(each.column)}" for each in added)
            return f"WITH {STORED} AS (SELECT *, {new} FROM {self.table}) "
        if stored is None:
            return ""
        if stored.assigned:
            return f"WITH {STORED} AS ({self._assigned(stored)}) "
        return f"WITH {STORED} ({', '.join(map(self.quote, self.given))}) AS ({stored.select}) "

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*self.known.columns, *(each.column for each in self.made.added if self.known.columns))

    def _value(self, added: Added) -> str:
        """What rows that are there have in a column that is added."""
        value = added.value or "NULL"
        if self.dialect == "mysql" and not added.value and added.required:
            return fitting.implied(added.fits)
        return f"CAST(({value}) AS {added.fits.whole})" if self.dialect == "postgresql" else value

    def _assigned(self, stored: Stored) -> str:
        assigned = {column.lower(): value for column, value in stored.assigned}
        values = []
        for column in self.known.columns:
            name, value = self.quote(column), assigned.get(column.lower())
            if value is None:
                values.append(name)
            elif stored.where:
                values.append(f"CASE WHEN {stored.where} THEN {value} ELSE {name} END AS {name}")
            else:
                values.append(f"({value}) AS {name}")
        return f"SELECT {', '.join(values)} FROM {self.aliased}"

    @property
    def aliased(self) -> str:
        """The table, as an UPDATE calls it."""
        alias = self.made.stored.alias if self.made.stored is not None else ""
        return f"{self.table} AS {self.quote(alias)}" if alias else self.table

    def shown(self, columns: Sequence[str]) -> str:
        """What to select of a row: its key, and the columns that matter."""
        return self._listed((*self._key, *columns)) or "*"

    def order(self, columns: Sequence[str]) -> str:
        """By which columns rows are told in the same order on every run: those that matter, then their key."""
        return self._listed((*columns, *self._key))

    @property
    def _key(self) -> Sequence[str]:
        return self.known.key if self.known.columns else ()

    def _listed(self, columns: Sequence[str]) -> str:
        given = {column.lower() for column in self.given}
        return ", ".join(
            self.quote(column) for column in dict.fromkeys(columns) if not given or column.lower() in given
        )

    def named(self, expression: str) -> tuple[str, ...]:
        """The columns that an expression speaks of."""
        try:
            clause = read(self.dialect, expression)
        except Unreadable:
            clause = Clause("", (), folded=False)
        return evolve(self.known, columns=self._columns).named(clause)

    def adds(self, demand: Demand) -> bool:
        """Whether a demand is about columns that are added."""
        texts = [key.expression for key in demand.keys] if isinstance(demand, Unique) else []
        texts += [demand.condition] if isinstance(demand, Holds) else []
        about = {*columns_of(demand), *(name for text in texts for name in self.named(text))}
        return any(each.column in about for each in self.made.added)

    def has(self, columns: Sequence[str]) -> bool:
        """Whether rows of the source have these columns, as far as that is known."""
        given = {column.lower() for column in self.given}
        return not given or all(column.lower() in given for column in columns)

    def where(self, condition: str, columns: Sequence[str], alias: str = "") -> str:
        """The query for the rows of the source that a condition holds for."""
        called = f" AS {alias}" if alias else ""
        return f"{self.before}SELECT {self.shown(columns)} FROM {self.source}{called} WHERE {condition}"
