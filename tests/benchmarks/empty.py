"""``thcore serve`` with builds that do nothing, a child process each."""

from __future__ import annotations

import time
from pathlib import Path

from parts.distribution import Site
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

JOB = "empty"

PLUGIN = """\
import os, time
from thcore.hooks import hookimpl
from thcore.model import Checkout, Execution


class Nothing:
    @hookimpl
    def thcore_checkout(self, build):
        now = time.monotonic()
        if notes := os.environ.get("BENCHMARK_NOTES"):
            with open(notes, "a") as file:
                file.write(f"{build.id} {now}\\n")
        return Checkout(build.workspace.source, "0" * 40)

    @hookimpl
    def thcore_execute(self, build):
        return Execution(exit_code=0)


plugin = Nothing()
"""


def empty_worker(directory: Path, server: str, *, notes: Path | None = None, slots: int = 2) -> Worker:
    """A worker whose one job is ``JOB``. Builds write into ``notes`` when (``time.monotonic``) their checkout began."""
    Site(directory / "site").plugin("nothing", PLUGIN)
    environment = {"PYTHONPATH": str(directory / "site")}
    if notes is not None:
        environment["BENCHMARK_NOTES"] = str(notes)
    return Worker(
        directory / "worker",
        server,
        jobs=[{"name": JOB, "plugins": {"nothing": {}}}],
        environment=environment,
        log={"level": "warning"},
        slots=slots,
    )


def do_builds(zuul: Zuul, count: int) -> list[ZuulBuild]:
    """Launch builds all at once and wait until they have passed."""
    builds = [zuul.launch(JOB) for _ in range(count)]
    assert {build.wait(120) for build in builds} == {"SUCCESS"}, builds[0].data[-1]["summary"]
    return builds


def rate_of_builds(zuul: Zuul, count: int) -> float:
    """Builds per second when so many are launched at once."""
    began = time.perf_counter()
    do_builds(zuul, count)
    return count / (time.perf_counter() - began)
