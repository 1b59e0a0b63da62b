"""What a counter counts."""

from __future__ import annotations

from attrs import frozen


@frozen
class Meaning:
    """The unit of a counter, and what it tells about a migration."""

    unit: str
    text: str
