"""What plugins cost at the start of every command and worker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

SLOW_CPU_S = 0.25
SLOW_WALL_S = 2.0
"""Where a start waits for something, which takes no CPU. Far above what a busy machine adds."""


@frozen
class Cost:
    """What loading a plugin took, in seconds: of this thread's CPU, and by the clock.

    What had been imported before cost it nothing.
    """

    cpu_s: float
    wall_s: float

    @property
    def slow(self) -> bool:
        """Whether whoever starts a command notices."""
        return self.cpu_s > SLOW_CPU_S or self.wall_s > SLOW_WALL_S


@contextmanager
def measured(costs: list[Cost]) -> Iterator[None]:
    """Append what is done meanwhile to the list."""
    cpu, wall = time.thread_time(), time.perf_counter()
    yield
    costs.append(Cost(time.thread_time() - cpu, time.perf_counter() - wall))
