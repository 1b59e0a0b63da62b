"""Questions to a database that leave it as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LIMIT_S = 60.0
"""How long all questions of an inquiry may take together."""
MOST = 10_000
"""Rows that an answer has at most."""

Ask = Callable[[str], tuple[Mapping[str, Any], ...]]
"""Runs one statement; answers its rows, by column. Raises Unanswered."""


class Unanswered(Exception):  # noqa: N818 - no error: what the server does not answer is not known, and that is all
    """The server refused a question, or it took too long."""


class Clock:
    """What is left of an inquiry's time."""

    def __init__(self) -> None:
        self._end = time.monotonic() + LIMIT_S

    def left_s(self) -> float:
        """Seconds. Raises Unanswered when none are left."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unanswered(f"it would take more than {LIMIT_S:.0f} s")
        return left


def open_transaction(earlier: Sequence[str]) -> tuple[str, ...]:
    """Of statements in their order, those of the transaction that was open after the last one: what they did was undone
    when the next one failed. Without a BEGIN nothing is known of a transaction."""
    begun: list[str] | None = None
    for statement in earlier:
        first = statement.lstrip().split(maxsplit=1)
        word = first[0].rstrip(";").upper() if first else ""
        if word in {"BEGIN", "START"}:
            begun = []
        elif word in {"COMMIT", "END"} or (word == "ROLLBACK" and " TO " not in statement.upper()):
            begun = None
        elif begun is not None:
            begun.append(statement)
    return tuple(begun or ())
