"""What an engine offers to a canary: sessions that ask for what a reader or a writer of one row needs."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

LEAST_S = 0.1
"""The shortest wait that is one, in seconds; whether somebody meets a shorter one is chance. It is also how long a
session stays in a queue before it says that it still waits."""


class Kind(enum.StrEnum):
    """Who asks, as ``Wait.kind`` names it."""

    READ = "read"
    WRITE = "write"


class Answer(enum.Enum):
    """What came of asking."""

    FREE = "free"
    """It was to be had, and was given back."""
    BLOCKED = "blocked"
    """Somebody has it. What the server says, not what a clock does: on a busy machine everything takes long."""
    GONE = "gone"
    """There is no such table, at least not now."""


class Probe(Protocol):
    """A session, for one thread at a time. What it was given it has given back when it answers, and it never waits for
    anything while it has something: a migration waits for it at most for the moment of one statement, and no deadlock
    can have it in its circle."""

    def ask(self, table: str, *, patient: bool) -> Answer:
        """Ask once, for the table and, as a writer, for a few of its rows. Without patience, for what is to be had at
        once; else for what was refused before, and in the queue for it for about ``LEAST_S``. Raises
        InfrastructureError when the session broke."""

    def free(self, tables: Sequence[str]) -> Collection[str]:
        """Those of them that are free for sure, asked for without patience and in fewer messages than one by one. Of
        the others nothing is said. Raises InfrastructureError when the session broke."""

    def close(self) -> Mapping[str, int]:
        """End the session, and tell its share of the server's counters, from its beginning to its end. Raises
        InfrastructureError."""


class Probes(Protocol):
    """Where a canary gets its sessions from."""

    @property
    def sparing(self) -> int:
        """How many times as long as a round through the tables took to rest after it."""

    def known(self, tables: Sequence[str]) -> Sequence[str]:
        """Those of these names, as a census writes them, that are tables. Raises InfrastructureError."""

    def open(self, kind: Kind, *, late: bool = False) -> Probe:
        """A session; ``late`` when the counters were read already that its share is to be taken off. Raises
        InfrastructureError."""
