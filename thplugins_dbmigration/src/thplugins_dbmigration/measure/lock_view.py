"""What an engine offers to see locks by: looks at those that sessions of the project have at one moment."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from typing import Protocol

from attrs import frozen


class Against(enum.StrEnum):
    """Who has to wait for a lock, as ``TableLock.against`` names it, the most first."""

    ALL = "all"
    """Readers and writers."""
    WRITERS = "writers"
    ROWS = "rows"
    """Writers of the same rows, and whoever wants the table to be written by nobody."""
    SCHEMA = "schema"
    """Other changes of the schema."""


@frozen
class Held:
    """A lock that somebody has at one moment. ``table`` is as a census names it, empty for the whole database.

    ``holders`` are names of what has it: two looks saw the same lock where table, index and mode are the same and they
    have a holder in common. ``rows`` is how many rows its transaction has locked, None where nobody knows.
    """

    table: str
    mode: str
    against: Against
    holders: frozenset[str]
    index: str = ""
    rows: int | None = None


class LockView(Protocol):
    """Looks at locks of one sort, for one thread at a time. Locks of the gate's own sessions are not among them, nor
    what reading alone takes, nor what is on a table that was not there when the view was opened."""

    @property
    def interval_s(self) -> float:
        """How often to look, in seconds."""

    def look(self) -> Collection[Held] | None:
        """Look once. None where the last look was so lately that the server tells nothing new. Raises
        InfrastructureError when the session broke."""

    def close(self) -> Mapping[str, int]:
        """End it, and tell its share of the server's counters since it was opened. Raises InfrastructureError."""
