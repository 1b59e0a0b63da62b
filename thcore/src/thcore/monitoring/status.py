"""What a worker is at, as a value: the content of status.json, from which every page, probe and table is made."""

from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen
from cattrs.preconf.json import make_converter

from thcore.model import BuildEvent, BuildEventKind, BuildRequest, Outcome, Verdict, WorkerInfo

STATUS_SCHEMA_VERSION = 1
"""Version of status.json. It grows when a reader of the old one would be misled; new optional keys do not count."""

LAST = 10
"""How many outcomes a status remembers."""


class Phase(enum.Enum):
    """Where a worker is between its start and its end."""

    STARTING = "starting"
    SERVING = "serving"
    PAUSED = "paused"
    """It takes no builds until the reasons are gone; then it goes on by itself."""
    DRAINING = "draining"
    """It finishes the builds that run, and ends."""
    STOPPING = "stopping"
    """It ends the builds that run."""


_NOT_SERVING: Mapping[Phase, str] = {
    Phase.STARTING: "starting: builds are not taken yet",
    Phase.PAUSED: "paused",
    Phase.DRAINING: "draining: the builds that run are finished, no other is taken",
    Phase.STOPPING: "stopping: the builds that run are ended, no other is taken",
}


@frozen
class RunningBuild:
    """A build in a slot. ``age_s`` is how long it has run; ``detail`` and ``done`` of ``total`` (0 of 0 when unknown)
    are what its stage says; ``percent`` is the whole build's; ``url`` is the page that shows it, if there is one."""

    build: str
    job: str
    change: str
    attempt: int
    started: datetime.datetime
    age_s: float = 0.0
    stage: str | None = None
    detail: str = ""
    done: int = 0
    total: int = 0
    percent: int = 0
    url: str = ""

    @classmethod
    def begun(cls, request: BuildRequest, attempt: int, at: datetime.datetime) -> RunningBuild:
        """A build that has just been taken."""
        return cls(request.id, request.job, str(request.change), attempt, at)

    def at(self, now: datetime.datetime) -> RunningBuild:
        """The same build as old as it is then."""
        return evolve(self, age_s=max(0.0, (now - self.started).total_seconds()))

    def after(self, event: BuildEvent, percent: int | None = None) -> RunningBuild:
        """The same build once ``event`` is known. ``percent`` None: as far as it was."""
        news = evolve(self, percent=self.percent if percent is None else percent)
        if event.kind is BuildEventKind.STAGE_STARTED:
            return evolve(news, stage=event.stage, detail="", done=0, total=0)
        if event.kind is BuildEventKind.PROGRESS:
            return evolve(news, stage=event.stage, detail=event.detail, done=event.done, total=event.total)
        if event.kind is BuildEventKind.PAGE:
            return evolve(news, url=event.detail)
        return news


@frozen
class ServerStatus:
    """The link to one Gearman server. ``since`` is when it last came up or was lost, ``problem`` what is wrong with it,
    also while it is connected: that the server does not know what this worker offers."""

    address: str
    connected: bool
    since: datetime.datetime | None = None
    problem: str = ""


@frozen
class SpoolStatus:
    """Results that could not be published yet. ``oldest_s`` is the age of the oldest in seconds."""

    count: int = 0
    oldest_s: float = 0.0
    size_bytes: int = 0
    problem: str = ""


@frozen
class LastOutcome:
    """A build that has ended. ``url`` is its page, empty when it was not published."""

    build: str
    job: str
    attempt: int
    verdict: Verdict
    summary: str
    ended: datetime.datetime
    duration_s: float
    url: str = ""

    @classmethod
    def of(cls, outcome: Outcome) -> LastOutcome:
        """What a status keeps of an outcome."""
        return cls(
            build=outcome.build,
            job=outcome.job,
            attempt=outcome.attempt,
            verdict=outcome.verdict,
            summary=outcome.summary,
            ended=outcome.ended,
            duration_s=outcome.duration_s,
            url=outcome.publications[0].url if outcome.publications else "",
        )


@frozen
class DiskStatus:
    """A file system that the worker writes to. ``purpose`` says what for: state, work, logs."""

    path: str
    purpose: str
    free_bytes: int
    total_bytes: int
    problem: str = ""


@frozen
class Reading:
    """When a worker last read its configuration, and whether builds that begin follow what it read: not when it was
    wrong."""

    at: datetime.datetime
    taken: bool = True


@frozen
class Status:
    """A worker at the moment ``at``.

    ``reasons`` say why it takes no builds although nobody told it to stop. ``quarantine`` counts the builds that are
    not tried again, ``refused`` those that were not begun since the worker started. ``last`` has the latest outcome
    first. ``history`` is what is wrong with the store of builds, empty when nothing is. ``reading`` is that of
    the configuration. Times are aware, in UTC.
    """

    worker: WorkerInfo
    pid: int
    started: datetime.datetime
    at: datetime.datetime
    phase: Phase
    slots: int
    reasons: tuple[str, ...] = ()
    builds: tuple[RunningBuild, ...] = ()
    servers: tuple[ServerStatus, ...] = ()
    spool: SpoolStatus = field(factory=SpoolStatus)
    quarantine: int = 0
    refused: int = 0
    last: tuple[LastOutcome, ...] = ()
    disks: tuple[DiskStatus, ...] = ()
    history: str = ""
    reading: Reading | None = None
    schema_version: int = STATUS_SCHEMA_VERSION

    @property
    def up_s(self) -> float:
        """Seconds since the worker started."""
        return max(0.0, (self.at - self.started).total_seconds())

    @property
    def ends(self) -> bool:
        """Whether it was told to stop."""
        return self.phase in {Phase.DRAINING, Phase.STOPPING}

    @property
    def ready(self) -> bool:
        """Whether a build that waits at any server which is up would be taken once a slot is free."""
        return not self.not_ready

    @property
    def not_ready(self) -> tuple[str, ...]:
        """Why it is not ready, each in words."""
        return tuple(self._obstacles())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should look at although it does not keep builds from being taken."""
        return tuple(warning for warning in self._warnings() if warning not in self.reasons)

    def _obstacles(self) -> Iterator[str]:
        explained = self.phase is Phase.PAUSED and self.reasons
        if self.phase in _NOT_SERVING and not explained:
            yield _NOT_SERVING[self.phase]
        yield from self.reasons
        if not any(server.connected for server in self.servers):
            yield f"no Gearman server is connected{_listed(self.servers)}"
        yield from (f"{server.address}: {server.problem}" for server in self.servers if _is_deaf(server))

    def _warnings(self) -> Iterator[str]:
        if any(server.connected for server in self.servers):
            for server in self.servers:
                if not server.connected:
                    yield f"{server.address}: {server.problem or 'not connected'}"
        if self.reading is not None and not self.reading.taken:
            yield f"the configuration that was read at {self.reading.at:%H:%M:%S} UTC is not used; the log says why"
        if self.spool.problem:
            yield f"results are kept in the spool: {self.spool.problem}"
        if self.history:
            yield f"history: {self.history}"
        yield from (f"{disk.path} ({disk.purpose}): {disk.problem}" for disk in self.disks if disk.problem)
        if self.quarantine:
            builds = "1 build is" if self.quarantine == 1 else f"{self.quarantine} builds are"
            yield f"{builds} in quarantine; see thcore builds"


def _is_deaf(server: ServerStatus) -> bool:
    """Connected, and yet no build would come from there."""
    return server.connected and bool(server.problem)


def _listed(servers: tuple[ServerStatus, ...]) -> str:
    told = ", ".join(f"{server.address} ({server.problem or 'not connected'})" for server in servers)
    return f": {told}" if told else ""


_converter = make_converter()


def to_json(status: Status) -> str:
    """The status as status.json, in one line. Besides the fields it has what follows from them: ``ready``,
    ``not_ready``, ``warnings``, ``up_s``."""
    plain: dict[str, Any] = _converter.unstructure(status)
    plain |= {
        "ready": status.ready,
        "not_ready": list(status.not_ready),
        "warnings": list(status.warnings),
        "up_s": status.up_s,
    }
    return json.dumps(plain, allow_nan=False)


def from_json(text: str | bytes) -> Status:
    """Read a status.json. Raises ValueError when it is not one, or of a later schema version."""
    try:
        data = json.loads(text)
        version = data["schema_version"]
        if version > STATUS_SCHEMA_VERSION:
            raise ValueError(f"its schema version {version} is newer than this thcore knows; use the worker's own")
        return _converter.structure(data, Status)
    except Exception as error:  # cattrs raises exception groups of any kind
        raise ValueError(f"not a status.json: {error}") from error
