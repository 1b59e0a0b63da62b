"""Which statement of a step took what somebody beside it found taken."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence

from attrs import field, frozen

from thcore.model import Statement

SLACK_S = 0.02
"""How exactly the time of a look and that of a statement can be compared."""


@frozen
class Causes:
    """Looks for them among the statements of a step. There can be thousands of both, so only those that ran at the time
    are read."""

    statements: Sequence[Statement]
    _texts: Sequence[str] = field(init=False)
    _order: Sequence[int] = field(init=False)
    """The numbers of the statements, in the order of their beginnings,"""
    _begins: Sequence[float] = field(init=False)
    """these,"""
    _ends: Sequence[float] = field(init=False)
    """and when the last of those so far had ended."""

    @_texts.default
    def _lower(self) -> Sequence[str]:
        return [each.text.lower() for each in self.statements]

    @_order.default
    def _in_order(self) -> Sequence[int]:
        return sorted(range(len(self.statements)), key=lambda number: self.statements[number].began_s)

    @_begins.default
    def _begun(self) -> Sequence[float]:
        return [self.statements[number].began_s for number in self._order]

    @_ends.default
    def _ended(self) -> Sequence[float]:
        return list(itertools.accumulate((_end_s(self.statements[number]) for number in self._order), max))

    def number(self, table: str, free_s: float, began_s: float, harmless: re.Pattern[str]) -> int | None:
        """That of the statement that took a lock. It ran after the table was last free and before the lock was found;
        it keeps what it took until its transaction ends, which may be much later. Of several, it is the first that
        names the table and is not ``harmless``. None where none ran, because the lock was there before the step."""
        since_s = free_s - SLACK_S
        first, last = bisect.bisect_left(self._ends, since_s), bisect.bisect_right(self._begins, began_s + SLACK_S)
        every = sorted(each for each in self._order[first:last] if _end_s(self.statements[each]) >= since_s)
        name = table.rpartition(".")[2].lower()
        naming = [each for each in every if _names(self._texts[each], name)] if table else []
        ran = naming or every
        return next((each for each in ran if harmless.match(self._texts[each]) is None), next(iter(ran), None))


def _end_s(statement: Statement) -> float:
    return statement.began_s + statement.wall_s


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
