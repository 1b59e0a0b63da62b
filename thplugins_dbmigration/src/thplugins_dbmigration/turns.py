"""Turns of datasets that are taken through side by side: what one measures must not be disturbed by the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field

LOOK_S = 0.1
"""How often who waits looks whether the build was told to end, in seconds."""


@define(eq=False)
class _Turn:
    alone: bool


@define
class Turns:
    """Turns in the order in which they were asked for: those ``alone`` one at a time, with nothing beside them; the
    others side by side. A thread has one turn at most. ``check`` raises when the build was told to end."""

    check: Callable[[], None]
    _turns: list[_Turn] = field(factory=list)
    """Those that are on and those that wait."""
    _changed: threading.Condition = field(factory=threading.Condition)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For a step that is judged. Raises CancelledError or DeadlineError."""
        with self._turn(_Turn(alone=True)):
            yield

    @contextmanager
    def beside(self) -> Iterator[None]:
        """For other work with a database. Raises CancelledError or DeadlineError."""
        with self._turn(_Turn(alone=False)):
            yield

    @contextmanager
    def _turn(self, mine: _Turn) -> Iterator[None]:
        with self._changed:
            self._turns.append(mine)
        try:
            with self._changed:
                while not self._changed.wait_for(lambda: self._is_on(mine), LOOK_S):
                    self.check()
            yield
        finally:
            with self._changed:
                self._turns.remove(mine)
                self._changed.notify_all()

    def _is_on(self, mine: _Turn) -> bool:
        before = self._turns[: self._turns.index(mine)]
        return not before if mine.alone else not any(turn.alone for turn in before)
