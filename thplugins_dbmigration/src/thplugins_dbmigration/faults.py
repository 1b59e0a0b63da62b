"""Telling a machine's fault from a migration's: a full disk fails any migration, and so does who kills it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from thplugins_dbmigration.offences.confidential import without_values

# As a server's answer begins in the words of drivers, of the mysql client and of observers.
_ANSWER = r"(?:\w(?:Error|Exception)\)?:?|^ERROR|\]:)\s*\(?"
_SIGNS = {
    "the disk is full": rf"No space left on device|\[53100\]|ERROR:\s+53100:|\bDiskFull\b|wrote only \d+ of \d+ bytes|"
    rf"database or disk is full|{_ANSWER}(1021|1114|3675)[,)]|{_ANSWER}(1021|1114|3675) \(\w{{5}}\)|err(code|no): 28\b",
    "the server has no memory left": rf"{_ANSWER}(1037|1041)[,)]|{_ANSWER}(1037|1041) \(\w{{5}}\)",
    "the disk quota is used up": r"Disk quota exceeded|err(code|no): 122\b",
    "the disk has errors": r"Input/output error|err(code|no): 5\b",
    "too many files are open": r"Too many open files|err(code|no): 24\b",
    "the program that ran it was killed": r"the migration program (ended|failed) .{1,20}: killed by SIG(KILL|TERM)\b",
}
_OTHERS = r"^.*(\bERROR 1644 |\(1644, |\bRaiseException\b|\b(Assertion|Integrity|Key|Runtime|Type|Value)Error\b).*$"
"""Answers about rows, and what a migration says itself."""
_SOURCE = r"^([ \t]*File \"[^\n]*\", line \d+[^\n]*\n)[ \t]+[^\n]+$"
"""A place in a traceback, and the line that is there."""


def machine_fault(lines: Iterable[str]) -> str | None:
    """What is wrong with the machine, when the words of a failed step say so. Values that servers quote, statements,
    lines of the project's source and what it raises itself are not among them."""
    text = re.sub(_SOURCE, r"\1", "\n".join(without_values(lines)), flags=re.MULTILINE)
    text = re.sub(_OTHERS, "", text, flags=re.MULTILINE)
    signs = _SIGNS.items()
    return next((reason for reason, sign in signs if re.search(sign, text, re.IGNORECASE | re.MULTILINE)), None)
