"""What a database is made of, part by part, and in what two of them differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError

LONGEST = 300
"""Characters of a definition in a line for people."""
_WHOLE = frozenset({"table", "view"})
"""Kinds that other parts belong to."""


@frozen(order=True)
class Part:
    """Something that a database has. ``kind`` is ``table``, ``column``, ``index``, ``foreign key``, ``constraint``,
    ``view``, ``trigger``, ``sequence``, ``type`` or ``routine``; ``table`` is what it belongs to, empty where it
    belongs to none; ``name`` is its own, empty for a table or a view itself."""

    kind: str
    table: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(part for part in (self.table, self.name) if part)}"

    @property
    def owner(self) -> Part:
        """The table that it belongs to."""
        return Part("table", self.table)


Schema = Mapping[Part, str]
"""The definition of each part, in the engine's own words."""


def differences(mine: Schema, theirs: Schema, *, here: str, there: str) -> tuple[str, ...]:
    """In what two schemas differ, in lines for people, sorted. ``here`` and ``there`` say where each of them is: ``in
    the migrated dataset``, ``before the step``.

    The order of columns is no difference. What is there on both sides under another name is told as that.
    """
    lines = [
        f"{part}: {_cut(mine[part])} {here}, {_cut(theirs[part])} {there}"
        for part in mine.keys() & theirs.keys()
        if mine[part] != theirs[part]
    ]
    only_here, only_there = alone(mine, theirs), alone(theirs, mine)
    for part, namesake in _renamed(mine, theirs, only_here, only_there):
        only_here.remove(part)
        only_there.remove(namesake)
        lines.append(f"{part} {here} is called {namesake.name} {there}: {_cut(mine[part])}")
    lines += _lone(only_here, mine, here) + _lone(only_there, theirs, there)
    return tuple(sorted(lines))


def written(schema: Schema) -> list[list[str]]:
    """For JSON."""
    return [[part.kind, part.table, part.name, text] for part, text in sorted(schema.items())]


def read(rows: Any) -> Schema:
    """What ``written`` wrote. Raises InfrastructureError (``snapshot-damaged``) for anything else."""
    try:
        return {Part(str(kind), str(table), str(name)): str(text) for kind, table, name, text in rows}
    except (TypeError, ValueError) as error:
        raise InfrastructureError(f"a kept schema cannot be read: {error}", code="snapshot-damaged") from error


def alone(one: Schema, other: Schema) -> set[Part]:
    """What only one of them has. A table that only one has stands for all that belongs to it."""
    found = one.keys() - other.keys()
    return {part for part in found if part.kind in _WHOLE or part.owner not in found}


def _renamed(
    mine: Schema, theirs: Schema, only_here: Iterable[Part], only_there: Iterable[Part]
) -> Iterator[tuple[Part, Part]]:
    """Indexes and constraints that both have, under other names. A column of another name is another column."""
    free: defaultdict[tuple[str, str, str], list[Part]] = defaultdict(list)
    for part in sorted(only_there):
        free[part.kind, part.table, theirs[part]].append(part)
    for part in sorted(only_here):
        if part.kind in {"index", "foreign key", "constraint"} and free[part.kind, part.table, mine[part]]:
            yield part, free[part.kind, part.table, mine[part]].pop(0)


def _lone(parts: Iterable[Part], schema: Schema, where: str) -> list[str]:
    return [f"{part}: only {where}" + (f": {_cut(schema[part])}" if part.name else "") for part in parts]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
