"""What a step made of the sizes of tables, and which of them it wrote anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import evolve, field, frozen

from thplugins_dbmigration.census import keeps_versions
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.meaning import Meaning

COUNTERS = {
    "tables_rewritten": Meaning(
        "tables", "tables that were there before and have another file afterwards: copied, rebuilt, replaced or emptied"
    ),
    "table_bytes_before": Meaning("bytes", "what the rows of all tables took before the step, as the server tells"),
    "table_bytes_after": Meaning("bytes", "what they took after it"),
    "index_bytes_before": Meaning("bytes", "what the indexes of all tables took before the step, as the server tells"),
    "index_bytes_after": Meaning("bytes", "what they took after it"),
}


@frozen
class Sizes:
    """All tables as they were before a step and after it; both are empty where nobody knows."""

    before: Mapping[str, TableSize] = field(factory=dict)
    after: Mapping[str, TableSize] = field(factory=dict)

    def having(self, rows: Mapping[str, int]) -> Sizes:
        """The same, with the rows before the step as they were counted."""
        before = {name: evolve(size, rows=rows.get(name, size.rows)) for name, size in self.before.items()}
        return evolve(self, before=before)


def rewritten(before: Mapping[str, TableSize], after: Mapping[str, TableSize]) -> tuple[str, ...]:
    """The tables of both that are not stored where they were. Another table that has taken a name counts as well; one
    that only has another name, or a partition more or less, does not."""
    return tuple(name for name in before if name in after and after[name].is_anew(before[name]))


def by_importance(sizes: Mapping[str, TableSize], first: Iterable[str] = ()) -> tuple[str, ...]:
    """The tables, those named in ``first`` before all others and then the largest, without those in which tools keep
    their versions. A name in ``first`` may be of no table, or of one that has no size of its own because its partitions
    have it."""
    own = sorted(sizes, key=lambda name: -_known(sizes[name].data_bytes, sizes[name].index_bytes))
    return tuple(name for name in dict.fromkeys([*first, *own]) if not keeps_versions(name))


def counted(before: Mapping[str, TableSize], after: Mapping[str, TableSize]) -> dict[str, int | None]:
    """The counters of a step, all of them None where the server tells no sizes."""
    if not before and not after:
        return dict.fromkeys(COUNTERS)
    return {
        "tables_rewritten": len(rewritten(before, after)),
        "table_bytes_before": _total(size.data_bytes for size in before.values()),
        "table_bytes_after": _total(size.data_bytes for size in after.values()),
        "index_bytes_before": _total(size.index_bytes for size in before.values()),
        "index_bytes_after": _total(size.index_bytes for size in after.values()),
    }


def _known(*values: int | None) -> int:
    return sum(value for value in values if value is not None)


def _total(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else _known(*known)
