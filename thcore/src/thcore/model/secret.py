"""A value that must never be shown."""

from __future__ import annotations

from typing import final

from attrs import field, frozen


@final
@frozen(repr=False)
class Secret:
    """Text that never prints: ``str()``, ``repr()`` and serialisation show ``***``.

    ``reveal()`` is the only way to the text; whoever calls it must not log what it returns. Build logs have every
    revealed value of the build's own secrets blanked out.
    """

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)
