"""How far the parts of a build are that are worked on side by side, as one progress."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from thcore.model import Progress


class Tally:
    """Adds up what the parts of a build tell. ``lock`` is held by whoever tells, so that news keep their order."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._numbers = itertools.count()
        self._last: dict[int, Progress] = {}
        self._going: set[int] = set()

    @contextmanager
    def part(self) -> Iterator[int]:
        """A part begins, and is over on leaving. Answers its number."""
        number = next(self._numbers)
        with self.lock:
            if not self._going:  # the parts before were those of something else
                self._last.clear()
            self._going.add(number)
        try:
            yield number
        finally:
            with self.lock:
                self._going.discard(number)

    def added(self, number: int, progress: Progress) -> Progress:
        """What is to be told now that a part tells this: the sums of all parts, and what each that goes on is at."""
        with self.lock:
            self._last[number] = progress
            parts = list(self._last.values())
            words = [told.message for one, told in sorted(self._last.items()) if one in self._going]
            return Progress("; ".join(words), sum(part.done for part in parts), sum(part.total for part in parts))
