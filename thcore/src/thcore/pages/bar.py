"""Bars of the pages."""

from __future__ import annotations

from attrs import frozen


@frozen
class Bar:
    """A horizontal bar in per cent of its track: where it starts, how long it is, and where the limit stands."""

    start: float
    length: float
    mark: float | None = None


def per_cent(part: float, whole: float) -> float:
    """The share of a whole, from 0 to 100."""
    return round(min(max(100.0 * part / whole, 0.0), 100.0), 2) if whole > 0 else 0.0
