"""Where statements are said again: on a schema without rows, to see what they do to its tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from attrs import frozen

TIME_LIMIT_S = 20
"""How long one statement may take there, where nothing has any rows."""


class RefusedError(Exception):
    """A statement cannot be said again; the text says why, for people."""


@frozen
class Effect:
    """What a statement did to a table. ``kind`` and ``how`` are as in ``TableWork``. ``was`` is the table's name before
    the statement, None for one that it made. ``anew`` tells that the table is kept in another place afterwards."""

    table: str
    was: str | None
    kind: str
    how: str
    anew: bool = False


class Stage(Protocol):
    """A session of the project's account in a database without rows. Not for use by several threads."""

    rewriting: str
    """What it is called when a table is written anew in a way that nobody has seen: ``rebuild`` or ``copy``."""
    settles: bool
    """Whether a table that is stored where it was cannot have been written anew."""

    def play(self, text: str, *, undone: bool = False) -> tuple[Effect, ...]:
        """Run a statement, and tell what it did to every table that it changed, checked or locked; nothing for one that
        concerns no table. What was ``undone`` afterwards is not kept where the engine can take it back.

        Raises RefusedError when the server refuses it, and InfrastructureError when there is no server any more.
        """

    def tables(self) -> Collection[str]:
        """The tables that there are now."""


@frozen
class Relation:
    """A table as the server knows it: the names of what its rows are stored in (several for partitions), and of each
    index. They change with what they name, and survive a change of the table's name."""

    storage: frozenset[str]
    indexes: frozenset[str] = frozenset()


Layout = Mapping[str, Relation]
"""All tables of a database, by name as in a census."""


@frozen
class Change:
    """The difference that a statement made to one table. ``was`` is its name before, None for a new table; ``gone``
    tells that there is no such table any more. ``anew``: its rows are stored in another place; ``indexed``: it has an
    index that was not there, of one that is stored where it was."""

    table: str
    was: str | None
    gone: bool = False
    anew: bool = False
    indexed: bool = False


def changes(before: Layout, after: Layout) -> tuple[Change, ...]:
    """What is different, table by table."""
    origins = {name: _origin(name, before, after) for name in after}
    gone = [name for name in before if name not in origins.values()]
    made = [name for name, was in origins.items() if was is None]
    if len(gone) == len(made) == 1:  # written anew under another name, both at once
        origins[made[0]] = gone.pop()
    found = [_change(name, was, before, after[name]) for name, was in origins.items()]
    return (*(change for change in found if change is not None), *(Change(name, name, gone=True) for name in gone))


def _origin(name: str, before: Layout, after: Layout) -> str | None:
    """Under which name a table was there before: its rows are where they were, or it has the name of one whose rows
    are nowhere else."""
    storage = after[name].storage
    if name in before:
        old = before[name].storage
        if old & storage or not any(old & after[other].storage for other in after if other != name):
            return name
    return next((other for other in before if before[other].storage & storage), None)


def _change(name: str, was: str | None, before: Layout, relation: Relation) -> Change | None:
    if was is None:
        return Change(name, None)
    old = before[was]
    # A partition that only came or went leaves the others where they are.
    anew = bool(relation.storage - old.storage) and bool(old.storage - relation.storage)
    indexed = relation.storage == old.storage and bool(relation.indexes - old.indexes)
    return Change(name, was, anew=anew, indexed=indexed) if relation != old or name != was else None
