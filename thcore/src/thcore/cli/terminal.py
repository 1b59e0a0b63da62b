"""Text of others on a terminal: logs, file names and answers of servers may hold control characters."""

from __future__ import annotations

_KEPT = frozenset("\t\u00a0")


def printable(text: str) -> str:
    """The text with everything that could steer a terminal written out, as ``\\x1b``. One line stays one line."""
    return "".join(
        char if char.isprintable() or char in _KEPT else char.encode("unicode_escape").decode() for char in text
    )


def plain(text: str) -> str:
    """The text for a rich markup string: printable, and without any markup of its own."""
    from rich.markup import escape

    return escape(printable(text))
