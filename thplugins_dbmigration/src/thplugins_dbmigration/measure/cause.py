"""Which statement of a step took what somebody beside it found taken."""

from __future__ import annotations

import re
from collections.abc import Sequence

from thcore.model import Statement

SLACK_S = 0.02
"""How exactly the time of a look and that of a statement can be compared."""


def cause(
    statements: Sequence[Statement], table: str, free_s: float, began_s: float, harmless: re.Pattern[str]
) -> int | None:
    """The number of the statement that took a lock. It ran after the table was last free and before the lock was found;
    it keeps what it took until its transaction ends, which may be much later. Of several, it is the first that names
    the table and is not ``harmless``. None where none ran, because the lock was there before the step."""
    named = re.compile(rf"(?<![\w$]){re.escape(table.rpartition('.')[2])}(?![\w$])", re.IGNORECASE)
    ran = [
        number
        for number, each in enumerate(statements)
        if each.began_s <= began_s + SLACK_S and each.began_s + each.wall_s >= free_s - SLACK_S
    ]
    if not ran:
        return None

    def doubt(number: int) -> tuple[bool, bool, int]:
        text = statements[number].text
        return (bool(table) and named.search(text) is None, harmless.match(text) is not None, number)

    return min(ran, key=doubt)
