"""What the result page shows of the counts before and after a step: tables and columns that it touched, and what of
them vanished."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from attrs import frozen

from thcore.model import Census, ColumnCount, Count, StepResult, TableCount

MOST = 60
"""Lines of a step that are shown, those first of which something vanished or changed."""
UNKNOWN = "\N{EN DASH}"


@frozen
class Figure:
    """A count before and after, worded. ``lost`` when there is less than there should be."""

    text: str
    lost: bool = False


@frozen
class CountedLine:
    """A table, or one of its columns, which has no ``rows`` of its own. ``note`` says why something is not known."""

    table: str
    column: str
    rows: Figure | None
    nulls: Figure | None = None
    empty: Figure | None = None
    distinct: Figure | None = None
    note: str = ""
    weight: int = 0
    """2 where something vanished, 1 where something changed."""


@frozen
class Counted:
    """All that is shown of one step's counts. ``left_out`` counts the lines that are not; ``notes`` are sentences."""

    lines: tuple[CountedLine, ...]
    left_out: int
    tables: int
    vanished: int
    notes: tuple[str, ...]


def counted(run: StepResult, most: int = MOST) -> Counted | None:
    """What was counted around a step, with ``most`` lines; None when there is nothing to show."""
    census = run.census
    if census is None or not census.tables:
        return None
    lost = {(loss.table, loss.column, loss.kind) for loss in run.losses}
    lines = [line for table in census.tables for line in _lines(table, lost)]
    ranked = sorted(range(len(lines)), key=lambda number: -lines[number].weight)
    shown = tuple(lines[number] for number in sorted(ranked[:most]))
    left_out = len(lines) - len(shown) + census.left_out
    return Counted(shown, left_out, len(census.tables), len(run.losses), tuple(_notes(census)))


def _lines(table: TableCount, lost: Collection[tuple[str, str | None, str]]) -> Iterator[CountedLine]:
    name = f"{table.table} \N{RIGHTWARDS ARROW} {table.renamed}" if table.renamed else table.table
    vanished = (table.table, None, "gone") in lost
    weight = 2 if vanished else 1 if table.rows.changed or table.unknown or table.renamed else 0
    yield CountedLine(name, "", Figure(_worded(table.rows), vanished), note=_why(table), weight=weight)
    for column in table.columns:
        counts = (column.nulls, column.empty, column.distinct)
        figures = [
            Figure(_worded(count), (table.table, column.column, kind) in lost)
            for count, kind in zip(counts, ("gone", "emptied", "merged"), strict=True)
        ]
        nulls, empty, distinct = figures
        weight = 2 if any(each.lost for each in figures) else 1 if any(count.changed for count in counts) else 0
        yield CountedLine(name, column.column, None, nulls, empty, distinct, _why(column), weight)


def _why(count: TableCount | ColumnCount) -> str:
    """Why something is not known; that a column holds no text is plain to see."""
    return "; ".join(dict.fromkeys(reason for figure, reason in count.unknown.items() if figure != "empty"))


def _worded(count: Count) -> str:
    if count.before == count.after:
        return UNKNOWN if count.after is None else f"{count.after:,}"
    return " \N{RIGHTWARDS ARROW} ".join(
        UNKNOWN if value is None else f"{value:,}" for value in (count.before, count.after)
    )


def _notes(census: Census) -> Iterator[str]:
    if census.inferred:
        yield f"After the step: {census.inferred}."
    for side, reason in census.unknown.items():
        yield f"{side.capitalize()} the step: {reason}."
    if census.untouched:
        many, rows = len(census.untouched), sum(census.untouched.values())
        tables = "1 other table" if many == 1 else f"{many:,} other tables"
        yield f"No listed statement names {tables} with {rows:,} row{'' if rows == 1 else 's'}."
