"""What is kept of what was published."""

from __future__ import annotations

from attrs import frozen


@frozen
class Keep:
    """What is kept: builds younger than ``age_s`` seconds, of those the newest that are together no more than ``size``
    bytes, and in any case those younger than ``at_least_s``. None means no limit."""

    age_s: float | None = None
    size: int | None = None
    at_least_s: float = 3600.0

    @property
    def everything(self) -> bool:
        """Whether nothing is ever removed."""
        return self.age_s is None and self.size is None
