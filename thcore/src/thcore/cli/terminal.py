"""Text of others on a terminal: logs, file names and answers of servers may hold control characters."""

from __future__ import annotations

from thcore.forms.legible import printable

__all__ = ["plain", "printable"]


def plain(text: str) -> str:
    """The text for a rich markup string: printable, and without any markup of its own."""
    from rich.markup import escape

    return escape(printable(text))
