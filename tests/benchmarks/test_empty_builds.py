"""Whole builds that do nothing, a child process each: how many per second, and what the worker's memory does.

``thcore serve`` with two slots through a real gearmand, against a gear worker as it comes in the same run.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.bare import RivalWorker

from parts.distribution import Site
from parts.gearmand import Gearmand
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

ROUNDS = 3
BUILDS = 150
BARE_JOBS = 40
RATE_GOAL = 3
"""How many times a bare worker's rate of jobs whole builds must reach."""

MEMORY_BUILDS = 1000
WARM_UP = 200
MEMORY_GOAL_MIB = 2.0
"""How much the worker's own memory may grow over ``MEMORY_BUILDS`` builds, after ``WARM_UP``."""

PLUGIN = """\
from thcore.hooks import hookimpl
from thcore.model import Checkout, Execution


class Nothing:
    @hookimpl
    def thcore_checkout(self, build):
        return Checkout(build.workspace.source, "0" * 40)

    @hookimpl
    def thcore_execute(self, build):
        return Execution(exit_code=0)


plugin = Nothing()
"""


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


@pytest.fixture
def worker(tmp_path: Path, gearmand: Gearmand) -> Iterator[Worker]:
    Site(tmp_path / "site").plugin("nothing", PLUGIN)
    with Worker(
        tmp_path / "worker",
        gearmand.address,
        jobs=[{"name": "empty", "plugins": {"nothing": {}}}],
        environment={"PYTHONPATH": str(tmp_path / "site")},
        log={"level": "warning"},
    ) as made:
        yield made


def launch_all(zuul: Zuul, count: int) -> list[ZuulBuild]:
    return [zuul.launch("empty") for _ in range(count)]


def rate_of_builds(zuul: Zuul, count: int) -> float:
    began = time.perf_counter()
    builds = launch_all(zuul, count)
    assert {build.wait(120) for build in builds} == {"SUCCESS"}, builds[0].data[-1]["summary"]
    return count / (time.perf_counter() - began)


def test_whole_empty_builds_are_three_times_as_many_as_a_bare_workers_jobs(gearmand: Gearmand, worker: Worker) -> None:
    whole: list[float] = []
    bare: list[float] = []
    with Zuul(gearmand.port) as zuul, RivalWorker(gearmand.port, "bare") as rival:
        rate_of_builds(zuul, 10)
        for _ in range(ROUNDS):
            whole.append(rate_of_builds(zuul, BUILDS))
            bare.append(rival.rate(BARE_JOBS))
        assert zuul.violations == []

    ours, theirs = statistics.median(whole), statistics.median(bare)
    print(f"\nwhole builds {ours:.0f}/s, bare gear worker {theirs:.1f} jobs/s, ratio {ours / theirs:.1f}")
    print(f"rounds: {[round(rate) for rate in whole]} and {[round(rate, 1) for rate in bare]}")
    assert ours >= RATE_GOAL * theirs


def test_memory_of_the_worker_is_flat(gearmand: Gearmand, worker: Worker) -> None:
    main = psutil.Process(worker.pid)
    nursery = main.children()[0]

    def memory() -> tuple[float, float]:
        return tuple(process.memory_info().rss / 2**20 for process in (main, nursery))  # type: ignore[return-value]

    rows = []
    for done in range(0, WARM_UP + MEMORY_BUILDS + 1, WARM_UP):
        if done:
            with Zuul(gearmand.port) as zuul:  # a client of its own each time: it keeps what it has seen
                assert {build.wait(120) for build in launch_all(zuul, WARM_UP)} == {"SUCCESS"}
        rows.append((done, *memory()))

    print("\nbuilds  worker MiB  nursery MiB")
    for done, worker_mib, nursery_mib in rows:
        print(f"{done:6d}  {worker_mib:10.1f}  {nursery_mib:11.1f}")
    for column in (1, 2):
        assert rows[-1][column] - rows[1][column] <= MEMORY_GOAL_MIB
