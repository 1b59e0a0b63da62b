"""What a PostgreSQL server tells in its log of the machine that fails it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
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
_RAISED = re.compile(r'PL/pgSQL function (?:[^\n"]|"[^"]*")* at (?:RAISE|ASSERT)\b')
"""How the context begins of what a function raises itself, with whatever code; its name may have any characters."""
_AT_ONCE = 65536
"""Bytes of a line that are looked at at once: a statement may be one of hundreds of megabytes."""


def complaints(stream: BinaryIO) -> Iterator[tuple[Distress, str]]:
    """What the server says itself that it was refused."""
    place = stream.tell()
    pieces = iter(partial(stream.readline, _AT_ONCE), b"")
    if not any(map(_is_likely, pieces)):  # of millions of statements, which take long to be read
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
