"""Which statement of a step took what somebody beside it found taken."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import Factory, field, frozen

from thcore.model import Statement

SLACK_S = 0.02
"""How exactly the time of a look and that of a statement can be compared."""


@frozen
class Causes:
    """Looks for them among the statements of a step. There can be hundreds of both."""

    statements: Sequence[Statement]
    _texts: Sequence[str] = field(
        init=False, default=Factory(lambda self: [each.text.lower() for each in self.statements], takes_self=True)
    )

    def number(self, table: str, free_s: float, began_s: float, harmless: re.Pattern[str]) -> int | None:
        """That of the statement that took a lock. It ran after the table was last free and before the lock was found;
        it keeps what it took until its transaction ends, which may be much later. Of several, it is the first that
        names the table and is not ``harmless``. None where none ran, because the lock was there before the step."""
        name = table.rpartition(".")[2].lower()
        every = range(len(self.statements))
        naming = [number for number, text in enumerate(self._texts) if name in text and _names(text, name)]
        for numbers in (naming, every) if table else (every,):
            ran = [number for number in numbers if self._ran(number, free_s, began_s)]
            if ran:
                return next((number for number in ran if harmless.match(self._texts[number]) is None), ran[0])
        return None

    def _ran(self, number: int, free_s: float, began_s: float) -> bool:
        each = self.statements[number]
        return each.began_s <= began_s + SLACK_S and each.began_s + each.wall_s >= free_s - SLACK_S


def _names(text: str, name: str) -> bool:
    """Whether the name is in the text, and not as a part of another one."""
    at = text.find(name)
    while at >= 0:
        if not _goes_on(text[at - 1 : at]) and not _goes_on(text[at + len(name) : at + len(name) + 1]):
            return True
        at = text.find(name, at + 1)
    return False


def _goes_on(character: str) -> bool:
    return character.isalnum() or character in {"_", "$"}
