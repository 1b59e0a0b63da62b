"""Words of ours as Markdown has them."""

from __future__ import annotations

import re


def escaped(text: str) -> str:
    """Text with what Markdown would take for markup escaped, except inside backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts)


def slug(text: str) -> str:
    """The anchor that MyST gives a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return escaped(text).replace("|", "\\|").replace("``", "`")
