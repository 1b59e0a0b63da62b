"""Where everything that can be seen of a worker comes together: its status as a value, and its metrics."""

from __future__ import annotations

import collections
import datetime
import os
from typing import Protocol

from thcore.gearman.link import Link, ServerState
from thcore.model import Outcome, WorkerInfo
from thcore.monitoring.metrics import Metrics
from thcore.monitoring.status import (
    LAST,
    DiskStatus,
    LastOutcome,
    Phase,
    Reading,
    ServerStatus,
    SpoolStatus,
    Status,
)
from thcore.worker.chronicle import Chronicle
from thcore.worker.fitness import Fitness
from thcore.worker.roll_call import RollCall
from thcore.worker.slots import Slots
from thcore.worker.supervise import Stores


class Parts(Protocol):
    """The parts of a worker that are looked at."""

    worker: WorkerInfo
    stores: Stores
    link: Link
    slots: Slots
    fitness: Fitness
    roll_call: RollCall
    chronicle: Chronicle


class Board:
    """Gathers the status whenever it is asked for, in any thread. What ended is told to it as it happens."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = _now()
        self._phase = Phase.STARTING
        self._last: collections.deque[LastOutcome] = collections.deque(maxlen=LAST)
        self._refused = 0
        self._reading = Reading(self._started)
        self.metrics = Metrics(self.status)

    @property
    def phase(self) -> Phase:
        """Where the worker is between start and end."""
        if self._phase is Phase.SERVING and self._parts.fitness.problems:
            return Phase.PAUSED
        return self._phase

    def enter(self, phase: Phase) -> None:
        """The worker is further on its way."""
        self._phase = phase

    def read(self, *, taken: bool) -> None:
        """The configuration was read again."""
        self._reading = Reading(_now(), taken)

    def ended(self, outcome: Outcome) -> None:
        """A build has its outcome."""
        self._last.appendleft(LastOutcome.of(outcome))
        self.metrics.build_ended(outcome)

    def refused(self, result: str) -> None:
        """A build was answered without having been begun."""
        self._refused += 1
        self.metrics.refused(result)

    def status(self) -> Status:
        """What the worker is at."""
        parts, now = self._parts, _now()
        deaf = parts.roll_call.problems
        running = sorted((supervision.view for supervision in parts.slots.running()), key=lambda build: build.started)
        return Status(
            worker=parts.worker,
            pid=os.getpid(),
            started=self._started,
            at=now,
            phase=self.phase,
            slots=parts.slots.count,
            reasons=parts.fitness.problems,
            builds=tuple(build.at(now) for build in running),
            servers=tuple(_server(state, deaf) for state in parts.link.servers()),
            spool=self._spool(now),
            quarantine=parts.stores.journal.count_quarantined(),
            refused=self._refused,
            last=tuple(self._last),
            disks=tuple(
                DiskStatus(str(disk.path), disk.purpose, disk.free, disk.total, disk.problem)
                for disk in parts.fitness.disks
            ),
            history=parts.chronicle.trouble or "",
            reading=self._reading,
        )

    def _spool(self, now: datetime.datetime) -> SpoolStatus:
        waiting = self._parts.stores.spool.entries()
        if not waiting:
            return SpoolStatus()
        oldest = waiting[0]
        age_s = max(0.0, (now - oldest.since).total_seconds())
        return SpoolStatus(len(waiting), age_s, self._parts.fitness.spool_bytes, oldest.problem)


def _server(state: ServerState, deaf: tuple[str, ...]) -> ServerStatus:
    front = f"{state.address} "
    told = next((problem.removeprefix(front) for problem in deaf if problem.startswith(front)), "")
    problem = told if state.connected else state.last_error or ""
    return ServerStatus(state.address, state.connected, state.since, problem)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
