"""What a MySQL or MariaDB server tells in its error log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from thplugins_dbmigration.distress import NUMBERS, Distress

LONGEST = 4096
"""Bytes of a line that are looked at."""
_QUOTED = re.compile(r"'[^']*'|`[^`]*`|\"[^\"]*\"")
"""Names and values, which a migration chooses; a file's name has nothing in it but letters, digits and ``@``."""
_NUMBER = re.compile(r"(?:error number|errcode:|errno:?|os errno|os error:?|with error) (\d+)\b", re.IGNORECASE)
_MEMORY = re.compile(r"\bout of memory\b", re.IGNORECASE)


def complaints(stream: BinaryIO) -> Iterator[tuple[Distress, str]]:
    """What the server says that the system refuses it, by the system's own number. That a table is full is not enough:
    one that is kept in memory is so when it has reached its largest size."""
    while line := stream.readline(LONGEST):
        text = line.decode("utf-8", "replace")
        own = _QUOTED.sub("''", text)
        number = _NUMBER.search(own)
        if number is not None and int(number[1]) in NUMBERS:
            yield NUMBERS[int(number[1])], text
        elif _MEMORY.search(own):
            yield Distress.MEMORY, text
