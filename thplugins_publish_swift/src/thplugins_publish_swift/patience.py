"""Trying again what the network or a server failed, with growing pauses that a cancel ends."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from attrs import field, frozen

from thplugins_publish_swift import trouble

T = TypeVar("T")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 16.0
_LOOK_S = 0.2


class GivenUpError(Exception):
    """Somebody else's part has failed for good, so that this one is of no use any more."""


@frozen
class Patience:
    """How often something is tried again. Shared by all threads that work on one publication.

    ``check`` raises when the build is told to end.
    """

    retries: int
    check: Callable[[], None]
    _over: threading.Event = field(factory=threading.Event, repr=False)

    def persist(self, what: str, work: Callable[[], T]) -> T:
        """Do it until it is done. Raises InfrastructureError, "cannot WHAT: why", when it cannot be."""
        for pause_s in (*self._pauses(), None):
            self.go_on()
            try:
                return work()
            except trouble.ERRORS as error:
                if pause_s is None or not trouble.passes(error):
                    raise trouble.told(error, what) from error
                self._wait(pause_s)
        raise AssertionError("the last try answers or raises")

    def go_on(self) -> None:
        """Raise when there is no use in going on."""
        self.check()
        if self._over.is_set():
            raise GivenUpError

    def give_up(self) -> None:
        """Have all others raise GivenUpError soon."""
        self._over.set()

    def _pauses(self) -> Iterator[float]:
        for number in range(self.retries):
            longest = min(_FIRST_PAUSE_S * 2**number, _LONGEST_PAUSE_S)
            # Not all workers shall come back at the same moment.
            yield longest * random.uniform(0.75, 1.0)  # noqa: S311 - no secret

    def _wait(self, pause_s: float) -> None:
        left_s = pause_s
        while left_s > 0:
            self._over.wait(min(left_s, _LOOK_S))
            self.go_on()
            left_s -= _LOOK_S
