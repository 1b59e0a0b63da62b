"""Quantities as configuration writes them: durations such as ``90s`` or ``2h``, sizes such as ``64MiB``."""

from __future__ import annotations

import re
from typing import NewType

__all__ = ["format_duration", "format_size", "parse_duration", "parse_size"]

Seconds = NewType("Seconds", float)
"""A duration in seconds. In a configuration file: a number of seconds, or ``250ms``, ``90s``, ``15m``, ``2h``, ``1d``,
also joined (``1h30m``)."""

Bytes = NewType("Bytes", int)
"""A size in bytes. In a configuration file: a number of bytes, or ``512KiB``, ``64MiB``, ``2GiB`` (``K``, ``M``, ``G``
alone mean the same powers of 1024)."""

_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B)?", re.IGNORECASE)
_POWER = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_duration(text: str) -> Seconds:
    """Turn ``1h30m`` into seconds. Raises ValueError with what was expected."""
    compact = text.replace(" ", "")
    parts = _DURATION.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration; write for example 90s, 15m or 1h30m")
    return Seconds(sum(float(number) * _UNIT_S[unit] for number, unit in parts))


def parse_size(text: str) -> Bytes:
    """Turn ``64MiB`` into bytes. Raises ValueError with what was expected."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 512KiB, 64MiB or 2GiB")
    return Bytes(int(float(match[1]) * 1024 ** _POWER[match[2].upper()]))


def format_duration(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 m 20 s``, ``2 h 05 m``."""
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.995:
        return f"{seconds:.2g} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


def format_size(size: int) -> str:
    """A size for people: ``812 B``, ``1.4 MiB``."""
    if abs(size) < 1024:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if abs(value) < 1023.95:  # what rounds to 1024.0 is one of the next unit
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} TiB"
