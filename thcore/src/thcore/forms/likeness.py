"""Which finding of one build is which of another."""

from __future__ import annotations

import hashlib

from thcore.model import Finding


def place(finding: Finding) -> tuple[str, ...]:
    """What stays the same when the same thing is found again. Lines move and messages have figures in them: neither
    counts."""
    where = finding.location
    return (finding.code, finding.plugin or "", where.path or "", where.dataset or "", where.step or "")


def fingerprint(finding: Finding) -> str:
    """The place as 32 hexadecimal digits."""
    told = "\0".join(place(finding)).encode("utf-8", "backslashreplace")
    return hashlib.sha256(told).hexdigest()[:32]
