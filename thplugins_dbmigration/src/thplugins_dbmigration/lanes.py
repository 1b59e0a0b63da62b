"""Doing something with several datasets side by side, each on processors of its own."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def shares(processors: Iterable[int], lanes: int) -> tuple[frozenset[int], ...]:
    """Divide processors among lanes as evenly as can be. With fewer processors than lanes, all have all of them."""
    all_of_them = sorted(processors)
    if len(all_of_them) < lanes:
        return (frozenset(all_of_them),) * lanes
    return tuple(frozenset(all_of_them[lane::lanes]) for lane in range(lanes))


def side_by_side(work: Callable[[T], R], things: Sequence[T], lanes: int) -> list[R]:
    """Do the work with each thing, in at most so many threads. The answers are in the order of the things. When a work
    raises, no further one begins, and its exception is raised when those that go on have ended.

    Each thread has its share of the processors that this process may use, and so has all that it starts.
    """
    if not things:
        return []
    lanes = max(1, min(lanes, len(things)))
    free: queue.SimpleQueue[frozenset[int]] = queue.SimpleQueue()
    for share in shares(os.sched_getaffinity(0), lanes):
        free.put(share)

    def enter() -> None:
        with contextlib.suppress(OSError):  # a container may forbid it; then the system decides
            os.sched_setaffinity(0, free.get())

    with ThreadPoolExecutor(lanes, thread_name_prefix="dataset", initializer=enter) as pool:
        return list(pool.map(work, things))
