"""What a private server tells in its own log of the machine that fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from attrs import frozen

from thplugins_dbmigration.distress import Distress

LONGEST = 500
"""Characters of a line that is told."""


@frozen
class ErrorLog:
    """The log at ``path``. ``complaints`` finds in it what only the server itself can have said: no statement, no name
    and nothing that a migration raises."""

    path: Path
    complaints: Callable[[BinaryIO], Iterator[tuple[Distress, str]]]

    def end(self) -> int:
        """How long it is now, in bytes."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def since(self, place: int) -> Mapping[Distress, str]:
        """What was complained of after so many bytes, with the first line that says so."""
        found: dict[Distress, str] = {}
        try:
            with self.path.open("rb") as stream:
                stream.seek(place)
                for distress, line in self.complaints(stream):
                    found.setdefault(distress, " ".join(line.split())[:LONGEST])
        except OSError:  # it could not even be begun
            return found
        return found
