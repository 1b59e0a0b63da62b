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
        if _begins(statement):
            begun = []
        elif _ends(statement):
            begun = None
        elif begun is not None:
            begun.append(statement)
    return tuple(begun or ())


def with_begin(earlier: Sequence[str]) -> tuple[str, ...]:
    """Statements before one that a ROLLBACK came after, with the BEGIN that belongs to it: some drivers begin a
    transaction without saying so when rows are changed, as Python's sqlite3 does."""
    first = next((place + 1 for place in reversed(range(len(earlier))) if _ends(earlier[place])), 0)
    changes = [place for place in range(first, len(earlier)) if _word(earlier[place]) in _CHANGES]
    if not changes or any(_begins(statement) for statement in earlier[first:]):
        return tuple(earlier)
    return (*earlier[: changes[0]], "BEGIN", *earlier[changes[0] :])


def is_rollback(statement: str) -> bool:
    """Whether a statement undoes a whole transaction."""
    return _word(statement) == "ROLLBACK" and " TO " not in f" {statement.upper()} "


_CHANGES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE"})


def _begins(statement: str) -> bool:
    return _word(statement) in {"BEGIN", "START"}


def _ends(statement: str) -> bool:
    return _word(statement) in {"COMMIT", "END"} or is_rollback(statement)


def _word(statement: str) -> str:
    words = statement.split(maxsplit=1)
    return words[0].rstrip(";").upper() if words else ""
