"""A value that must never be shown."""

from __future__ import annotations

from typing import NoReturn, final


@final
class Secret:
    """Text that never prints: ``str()``, ``repr()`` and formatting show ``***``; JSON refuses it.

    ``reveal()`` is the only way to the text; whoever calls it must not log what it returns. Build logs and findings
    have every value of the configuration's own secrets blanked out.
    """

    # Not an attrs class: attrs.asdict and cattrs would look inside.
    __slots__ = ("_text",)

    _text: str

    def __init__(self, text: str) -> None:
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret cannot be changed")

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        return Secret, (self._text,)
