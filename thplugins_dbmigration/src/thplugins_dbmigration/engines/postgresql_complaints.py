"""What a PostgreSQL server tells in its log of the machine that fails it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from thplugins_dbmigration.distress import Distress
from thplugins_dbmigration.engines.postgresql_log import Record, records

_STATES = {
    "53000": Distress.FILES,
    "53100": Distress.FULL,
    "58030": Distress.BROKEN,
}
"""SQLSTATEs for what the system refuses; a quota has none of its own. That of memory is not among them: it is said of a
step with too many locks or too long a text as well."""
_RAISED = re.compile(r"PL/pgSQL function [^\n]* at (?:RAISE|ASSERT)\b")
"""The first line of the context of what a function raises itself, with whatever code."""


def complaints(stream: BinaryIO) -> Iterator[tuple[Distress, str]]:
    """What the server says itself that it was refused."""
    place = stream.tell()
    if not any(_is_likely(line) for line in stream):  # of millions of statements, which take long to be read
        return
    stream.seek(place)
    for record in records(stream):
        distress = _complaint(record)
        if distress is not None:
            yield distress, f"{record.severity} {record.state}: {record.text}"


def _is_likely(line: bytes) -> bool:
    return any(f" {state} ".encode() in line for state in (*_STATES, "XX000"))


def _complaint(record: Record) -> Distress | None:
    if not record.severity or _RAISED.match(record.parts.get("CONTEXT", "")):
        return None
    if record.state == "XX000" and record.text.endswith("Disk quota exceeded"):
        return Distress.QUOTA
    return _STATES.get(record.state)
