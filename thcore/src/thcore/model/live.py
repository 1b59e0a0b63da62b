"""A build as it is told of while it runs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from attrs import frozen

from thcore.model.change import Change
from thcore.model.event import Progress
from thcore.model.finding import Finding
from thcore.model.outcome import Fence, StageName, StageRun, Verdict, WorkerInfo


@frozen
class Standing:
    """How a build stands ``at`` a moment. ``stages`` have ended, ``stage`` goes on since ``since``. ``verdict`` and
    ``summary`` are there once the build has been judged or cancelled."""

    job: str
    build: str
    attempt: int
    change: Change
    log_path: str
    worker: WorkerInfo
    started: datetime.datetime
    at: datetime.datetime
    stages: tuple[StageRun, ...] = ()
    stage: StageName | None = None
    since: datetime.datetime | None = None
    progress: Progress | None = None
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None
    summary: str = ""

    @property
    def fence(self) -> Fence:
        """Which attempt it is of."""
        return Fence(self.worker.name, self.attempt, self.started)


@frozen
class LivePage:
    """What is to be put up of a build that runs: ``files`` by their names below the build's address, in this order;
    ``index.html`` is the last. What was put up before under other names stays.

    ``fence`` says of which attempt it is; ``live/state.json`` among the files says so where the page stands. ``last``:
    no other one comes after it, but the build's evidence if it is published.
    """

    fence: Fence
    files: Mapping[str, bytes]
    last: bool = False
