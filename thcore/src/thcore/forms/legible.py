"""Text of others made fit to be read: nothing in it steers a terminal, hides, or turns the direction of writing."""

from __future__ import annotations

_KEPT = frozenset("\t\u00a0")


def printable(text: str) -> str:
    """The text with everything that could steer a terminal written out, as ``\\x1b``. One line stays one line, and the
    result can be encoded."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in _KEPT else char.encode("unicode_escape").decode() for char in text
    )


def bounded(text: str, limit: int) -> str:
    """The text, printable and at most ``limit`` characters long. Where it was cut, its end says how long it was."""
    told = printable(text[: limit + 1])
    if len(told) <= limit:
        return told
    note = f"… ({len(text):,} characters)"
    return told[: max(0, limit - len(note))] + note
