"""Telling a machine's fault from a migration's: a full disk fails any migration, and so does who kills it."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SIGNS = {
    "the disk is full": r"No space left on device|\[53100\]|disk (is )?full|\((1021|1114|3675)\)|err(code|no): 28\b",
    "the disk quota is used up": r"Disk quota exceeded|err(code|no): 122\b",
    "the disk has errors": r"Input/output error|err(code|no): 5\b",
    "too many files are open": r"Too many open files|err(code|no): 24\b",
    "the program that ran it was killed": r"the migration program (ended|failed) .{1,20}: killed by SIG(KILL|TERM)\b",
}


def machine_fault(lines: Iterable[str]) -> str | None:
    """What is wrong with the machine, when the words of a failed step say so."""
    text = "\n".join(lines)
    return next((reason for reason, sign in _SIGNS.items() if re.search(sign, text, re.IGNORECASE)), None)
