"""Whether the main loop still turns, for probes that must depend on nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pulse:
    """Beaten by the main loop, felt by others. Thread-safe.

    It knows nothing of Gearman, disks or builds: a worker that waits for a server is alive, and restarting it would not
    bring the server back.
    """

    def __init__(self, limit_s: float = 30.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        """``limit_s`` is the longest pause between two beats of a loop that is alive, in seconds."""
        self._limit_s = limit_s
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """The main loop has come round."""
        self._last = self._clock()

    def alive(self) -> bool:
        """Whether the last beat is not too long ago."""
        return self._clock() - self._last <= self._limit_s
