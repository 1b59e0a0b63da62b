"""What the tables of a database held before a step and after it: counts, never values."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Count:
    """An exact number before a step and after it. Either is None where that is not known."""

    before: int | None = None
    after: int | None = None

    @property
    def changed(self) -> bool:
        """Whether it is known to be another one afterwards."""
        return None not in (self.before, self.after) and self.before != self.after


@frozen
class ColumnCount:
    """What a column held.

    ``nulls`` is in how many rows it is NULL, ``empty`` how many of its texts have no length, and ``distinct`` how many
    different values it has, NULL not among them. ``unknown`` says why a number is None: ``before`` and ``after`` where
    all are, because the column is new or gone, ``empty`` and ``distinct`` where that one is.
    """

    column: str
    nulls: Count
    empty: Count
    distinct: Count
    unknown: Mapping[str, str] = field(factory=dict)


@frozen
class TableCount:
    """What a table held: its ``rows``, and those of its ``columns`` that the step touched, in the table's order.

    ``table`` is its name before the step, or of a new one the name that it has; ``renamed`` is its name after it, where
    that is another one. ``unknown`` says why a number is None, by ``before`` and ``after``: it was not there, or it is
    gone.
    """

    table: str
    rows: Count
    columns: tuple[ColumnCount, ...] = ()
    renamed: str = ""
    unknown: Mapping[str, str] = field(factory=dict)


@frozen
class Census:
    """What all tables of the project held before a step that the change adds, and after it.

    ``tables`` are those that the step touched: a statement names them, they are new or gone, or something of them is
    another number now. A column is touched in the same way. ``untouched`` has the rows of all others, by table.
    ``left_out`` counts the columns that a step touched beyond the 500 that are listed: those first whose numbers
    changed.

    ``inferred`` is empty where everything was counted after the step. Otherwise it says why the numbers after it are
    known all the same: nothing that it ran can take any away. What it added is then not listed. ``unknown`` says why
    there is nothing ``before`` or ``after``.

    Not counted at all are columns that are generated, temporary and virtual tables, tables of extensions, those in
    which tools keep their versions, and views. A partition is counted with its table.
    """

    tables: tuple[TableCount, ...] = ()
    untouched: Mapping[str, int] = field(factory=dict)
    left_out: int = 0
    inferred: str = ""
    unknown: Mapping[str, str] = field(factory=dict)
