"""Classes of statements: metadata, scan, index, rebuild or copy, table by table, with rows and bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from thcore.model import Statement, TableWork
from thplugins_dbmigration.engines.stage import Effect, RefusedError, Stage
from thplugins_dbmigration.engines.wording import SETTINGS, changes_schema, filled_from, takes_away, verb
from thplugins_dbmigration.measure.sizes import Sizes
from thplugins_dbmigration.rehearsal.names import Names

WORKS = "works"
"""What ``Statement.unknown`` calls the works where they are not known."""
LONGEST_REASON = 300
LESS = frozenset({"metadata", "scan", "index"})
"""The classes in which no table is written anew."""


def worth_rehearsing(statements: Iterable[Statement]) -> bool:
    """Whether there is a statement among them that may do something to a schema."""
    return any(changes_schema(statement.text) for statement in statements)


def classify(stage: Stage, statements: Sequence[Statement], sizes: Sizes) -> tuple[Statement, ...]:
    """Say the statements of one step again on the stage, which is where the step begins, and tell of each what it does
    to which table. The stage is where the step ends afterwards.

    A statement that cannot be said again has no works, and ``unknown`` says why. Statements that only read or change
    rows have none either, but for those that fill the successor of a table. Where a table with all its rows was written
    anew and an empty one is not, it counts as that: of the statements that concern it, the longest is taken to have
    done it. ``how`` tells every such contradiction.

    Raises InfrastructureError when there is no server any more.
    """
    names = Names(sizes)
    scenes = [_Scene.of(stage, statements[number:], names) for number in range(len(statements))]
    if not any(WORKS in scene.statement.unknown for scene in scenes):  # else that one may have done it
        scenes = _compared(scenes, names, stage)
    return tuple(scene.told for scene in scenes)


@frozen
class _Scene:
    """A statement and what it did, with the name that each table had before the step."""

    statement: Statement
    effects: tuple[tuple[Effect, str | None], ...] = ()
    works: tuple[TableWork, ...] = ()

    @classmethod
    def of(cls, stage: Stage, statements: Sequence[Statement], names: Names) -> _Scene:
        """Play the first of the statements; the others are those that follow it."""
        statement, *later = statements
        if verb(statement.text) in SETTINGS:
            with contextlib.suppress(RefusedError):  # what depends on it will say so
                stage.play(statement.text)
            return cls(statement)
        if not changes_schema(statement.text):
            return cls._having(statement, _succession(stage, statement, later, names), names)
        try:
            if "text" in statement.unknown:
                raise RefusedError(statement.unknown["text"])
            effects = stage.play(statement.text, undone=bool(statement.error))
        except RefusedError as error:
            reason = f"it cannot be said again without rows: {str(error)[:LONGEST_REASON]}"
            return cls(evolve(statement, unknown={**statement.unknown, WORKS: reason}))
        scene = cls._having(statement, effects, names)
        if not statement.error:
            names.changed(effects)
        return scene

    @classmethod
    def _having(cls, statement: Statement, effects: Iterable[Effect], names: Names) -> _Scene:
        known = tuple((effect, None if effect.was is None else names.origin(effect.was)) for effect in effects)
        works = (TableWork(effect.table, effect.kind, *names.size(origin), effect.how) for effect, origin in known)
        return cls(statement, known, tuple(works))

    @property
    def told(self) -> Statement:
        """The statement with its works."""
        return evolve(self.statement, works=self.works)

    def concerns(self, table: str) -> bool:
        """Whether it did anything to a table."""
        return any(origin == table for _, origin in self.effects)

    def contradicted(self, table: str, told: str, kind: str | None = None) -> _Scene:
        """The same, with what is known better of a table."""
        works = tuple(
            evolve(work, kind=kind or work.kind, how=f"without rows: {work.how}; but {told}")
            if origin == table
            else work
            for work, (_, origin) in zip(self.works, self.effects, strict=True)
        )
        return evolve(self, works=works)


def _succession(stage: Stage, statement: Statement, later: Sequence[Statement], names: Names) -> tuple[Effect, ...]:
    """The effect of a statement that fills a table that the step has made with the rows of another one, which goes
    later: with those of the table that it takes the place of."""
    if not names.made or verb(statement.text) != "INSERT" or statement.error:
        return ()
    filled = filled_from(statement.text, stage.tables())
    if filled is None:
        return ()
    successor, table = filled
    if successor not in names.made or table in names.made:
        return ()
    if not any(takes_away(each.text, table) for each in later):
        return ()
    names.succeeds(successor, table)
    return (Effect(table, table, "copy", f"its rows are written to {successor}, which takes its place", anew=True),)


def _compared(scenes: Sequence[_Scene], names: Names, stage: Stage) -> list[_Scene]:
    """The same, with what was seen of the tables with all their rows."""
    told = list(scenes)
    expected = {origin for scene in scenes for effect, origin in scene.effects if effect.anew and origin}
    for table in names.written_anew() - expected:
        touching = [number for number, scene in enumerate(told) if scene.concerns(table)]
        if touching and not any(_heavy(told[number], table) for number in touching):
            number = max(touching, key=lambda number: told[number].statement.wall_s)
            told[number] = told[number].contradicted(
                table, "with its rows, the table was written anew", stage.rewriting
            )
    if not stage.settles or any(scene.statement.error for scene in scenes):  # what failed may have been undone
        return told
    for table in names.unmoved() & expected:
        for number, scene in enumerate(told):
            if any(effect.anew and origin == table for effect, origin in scene.effects):
                told[number] = scene.contradicted(table, "with its rows, the table was not written anew")
    return told


def _heavy(scene: _Scene, table: str) -> bool:
    return any(origin == table and effect.kind not in LESS for effect, origin in scene.effects)
