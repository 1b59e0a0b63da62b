"""What an observer tells, as values. It comes out of the project's own process, so that nothing in it is taken on
trust."""

from __future__ import annotations

import json
from collections.abc import Mapping

import cattrs
from attrs import field, frozen

from thcore.errors import ChangeError

LONGEST = 2000
"""Characters of a line of evidence."""
MOST = 250
"""Lines of it."""


@frozen
class Trouble:
    """An exception in the project's program. ``type`` is the class of what the server's driver raised, ``bases`` are
    the classes of the exception with their modules; ``file``, ``line`` and ``source`` are where the migration was."""

    type: str
    message: str = ""
    bases: tuple[str, ...] = ()
    state: str | None = None
    statement: str = ""
    file: str | None = None
    line: int | None = None
    source: str | None = None
    traceback: tuple[str, ...] = ()

    def sentence(self) -> str:
        """It in one line: ``IntegrityError [23000]: (1062) Duplicate entry …``. One that the migration raises itself is
        a stop on purpose, such as for data that is not ready."""
        text = " ".join(self.message.split())[:LONGEST]
        state = f" [{self.state}]" if self.state else ""
        on_purpose = (self.source or "").startswith("raise ") and not self.statement
        words = "The migration refuses to go on: " if on_purpose else ""
        return f"{words}{self.type}{state}{': ' if text else ''}{text}"

    def answer(self) -> str:
        """What the server said, code and message."""
        return f"{self.state}: {self.message}" if self.state else self.message

    def evidence(self) -> tuple[str, ...]:
        """It in full: the server's words, the statement, the line of the migration, the traceback."""
        lines = [self.sentence()]
        if self.statement:
            lines.append("statement: " + " ".join(self.statement.split()))
        if self.source:
            lines.append(f"{self.file}, line {self.line}: {self.source}")
        return tuple(line[:LONGEST] for line in (*lines, *self.traceback)[:MOST])


@frozen
class ShownStep:
    """A step that is ahead. ``path`` is absolute."""

    version: str
    parents: tuple[str, ...] = ()
    title: str = ""
    path: str | None = None


@frozen
class ChainShown:
    """Migrations of a chain are about to run. ``names`` are versions by what else they are called."""

    tool: str
    table: str
    dialect: str
    database: str
    current: frozenset[str]
    head: frozenset[str]
    implied: frozenset[str]
    steps: tuple[ShownStep, ...] = field(repr=False)
    names: Mapping[str, tuple[str, ...]] = field(factory=dict, repr=False)


@frozen
class StepStarts:
    """A step wants to start. ``chain`` is the number that the chain was given."""

    chain: int
    step: str


@frozen
class Midway:
    """A step has come to where it is to wait."""

    chain: int
    step: str


@frozen
class StepEnded:
    """A step has ended."""

    chain: int
    step: str
    ok: bool
    error: Trouble | None = None


@frozen
class Unusable:
    """No migration will show itself."""

    error: Trouble


Told = ChainShown | StepStarts | Midway | StepEnded | Unusable
_EVENTS: dict[str, type[ChainShown | StepStarts | Midway | StepEnded | Unusable]] = {
    "chain": ChainShown,
    "before": StepStarts,
    "midway": Midway,
    "after": StepEnded,
    "unusable": Unusable,
}


def read(line: str) -> Told:
    """What a line tells. Raises ChangeError (``tool-unusable``) for a line that no observer wrote."""
    try:
        message = json.loads(line)
        return cattrs.structure(message, _EVENTS[message["event"]])
    except Exception as error:  # cattrs raises exception groups of any kind
        raise ChangeError(
            f"The project's program wrote to the observer's channel what is not for it: {line[:80]}",
            code="tool-unusable",
        ) from error
