"""What a step that failed has left behind in the schema: what a server keeps of statements before the one that failed,
and of those that it cannot take back."""

from __future__ import annotations

from collections.abc import Iterator

from thplugins_dbmigration.census import keeps_versions
from thplugins_dbmigration.schema import Part, Schema, alone

MOST = 20
"""Lines that are told of one step."""
_INVALID = "INVALID "
"""How PostgreSQL's reader tells an index that is not whole: the definition begins with it."""


def leftovers(before: Schema, after: Schema) -> tuple[str, ...]:
    """In what the schema after a failed step differs from the one before it, in lines for people; nothing where all
    was taken back. Tables of tools' own are left out. A new table stands for all that belongs to it."""
    before, after = _own(before), _own(after)
    lines = [*_lines(before, after)]
    if not lines:
        return ()
    more = len(lines) - MOST
    told = [*lines[:MOST], *([f"and {more} more"] if more > 0 else [])]
    return (*told, "That was not taken back: run again on this database, the step finds it there.")


def _lines(before: Schema, after: Schema) -> Iterator[str]:
    for part in sorted(alone(after, before)):
        invalid = after[part].startswith(_INVALID)
        yield f"left behind: {part}" + (", which is invalid: writers maintain it, no query uses it" if invalid else "")
    for part in sorted(alone(before, after)):
        yield f"left behind: {part} is gone"
    for part in sorted(before.keys() & after.keys()):
        if before[part] != after[part]:
            yield f"left behind: {part} is changed: {before[part]} -> {after[part]}"


def _own(schema: Schema) -> dict[Part, str]:
    return {part: text for part, text in schema.items() if not keeps_versions(part.table)}
