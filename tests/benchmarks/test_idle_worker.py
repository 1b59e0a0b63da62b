"""What ``thcore serve`` takes of a machine: while it waits for builds, and after thousands of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
from attrs import frozen

from benchmarks.empty import do_builds, empty_worker
from thcore.testing.gearmand import Gearmand

from parts.worker import Worker
from parts.zuul import Zuul

pytestmark = pytest.mark.system

IDLE_S = 30
SETTLE_S = 2
"""For the children of the last builds to end."""
CPU_GOAL = 0.005
"""Which part of a core the idle worker may use, all of its processes together."""
MEMORY_GOAL_MIB = 80
"""How much memory the idle worker may take, all of its processes together, shared pages counted once (PSS)."""

BUILDS = 2000
WARM_UP = 200
GROWTH_GOAL_MIB = 4.5
"""How much each of the lasting processes may grow over ``BUILDS`` builds, after ``WARM_UP``. The allocator takes two
steps of 2 MiB on the way, at about 400 and 1,400 builds, and a third at 3,600; between them nothing grows, nor does
what Python has allocated (tracemalloc: under 20 KiB from the 400th build to the 1,200th)."""


@frozen
class Sample:
    """One process of the worker at one moment."""

    pid: int
    cpu_s: float
    rss_mib: float
    pss_mib: float


def sample(worker: Worker) -> list[Sample]:
    """The worker, its nursery, and the children that wait for builds, in this order."""
    samples = []
    for process in worker.processes():
        with contextlib.suppress(psutil.NoSuchProcess):  # the child of the last build, on its way out
            times, memory = process.cpu_times(), process.memory_full_info()
            samples.append(Sample(process.pid, times.user + times.system, memory.rss / 2**20, memory.pss / 2**20))
    return samples


def name(index: int) -> str:
    return ("worker", "nursery")[index] if index < 2 else f"child {index - 1}"


def total_pss(samples: Sequence[Sample]) -> float:
    return sum(one.pss_mib for one in samples)


def test_an_idle_worker_takes_next_to_nothing(tmp_path: Path) -> None:
    with Gearmand() as gearmand, empty_worker(tmp_path, gearmand.address) as worker, Zuul(gearmand.port) as zuul:
        do_builds(zuul, 10)
        time.sleep(SETTLE_S)  # what the builds have left to do is not what is measured
        before = sample(worker)
        time.sleep(IDLE_S)  # what is measured is what happens when nothing happens
        after = sample(worker)

    assert [one.pid for one in before] == [one.pid for one in after]
    print("\nprocess   CPU s in 30 s  RSS MiB  PSS MiB")
    for index, (earlier, now) in enumerate(zip(before, after, strict=True)):
        print(f"{name(index):9} {now.cpu_s - earlier.cpu_s:13.2f}  {now.rss_mib:7.1f}  {now.pss_mib:7.1f}")
    cpu_s = sum(one.cpu_s for one in after) - sum(one.cpu_s for one in before)
    print(f"all       {cpu_s:13.2f}           {total_pss(after):7.1f}; {cpu_s / IDLE_S:.2%} of a core")
    assert cpu_s / IDLE_S < CPU_GOAL
    assert total_pss(after) < MEMORY_GOAL_MIB


def test_memory_is_flat_over_two_thousand_builds(tmp_path: Path) -> None:
    rows: list[tuple[int, list[Sample]]] = []
    with Gearmand() as gearmand, empty_worker(tmp_path, gearmand.address) as worker:
        for done in range(0, WARM_UP + BUILDS + 1, WARM_UP):
            if done:
                with Zuul(gearmand.port) as zuul:  # a client of its own each time: it keeps what it has seen
                    do_builds(zuul, WARM_UP)
            rows.append((done, sample(worker)))

    print("\nbuilds  RSS MiB: worker  nursery   PSS MiB of all")
    for done, samples in rows:
        print(f"{done:6d}  {samples[0].rss_mib:15.1f}  {samples[1].rss_mib:7.1f}  {total_pss(samples):15.1f}")
    for process in (0, 1):
        assert rows[-1][1][process].rss_mib - rows[1][1][process].rss_mib <= GROWTH_GOAL_MIB
    assert total_pss(rows[-1][1]) - total_pss(rows[1][1]) <= 2 * GROWTH_GOAL_MIB
