"""What the stages answer, and what the build amounts to."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from thcore.model.change import Change
from thcore.model.command import Command
from thcore.model.finding import Finding
from thcore.model.migration import DatasetRun

RESULT_SCHEMA_VERSION = 1
"""Version of result.json. It grows when a reader of the old one would be misled; new optional keys do not count."""


class Verdict(enum.Enum):
    """What a build amounts to."""

    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    """The change is at fault."""
    UNVERIFIED = "UNVERIFIED"
    """Could not measure: our fault or the dataset's. Answered so that Zuul may retry."""
    CANCELLED = "CANCELLED"


class StageName(enum.Enum):
    """The stages of a build, in their order."""

    CHECKOUT = "checkout"
    ENVIRONMENT = "environment"
    EXECUTE = "execute"
    ANALYSE = "analyse"
    PUBLISH = "publish"


class StageResult(enum.Enum):
    """How a stage ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not run, because an earlier stage failed or the job has no plugin for it."""
    STOPPED = "stopped"
    """Ended by a cancel or by the deadline."""


@frozen
class Checkout:
    """Answer of the checkout stage: the work tree and the commit it is at (40 hexadecimal digits)."""

    path: Path
    commit: str


@frozen
class Environment:
    """Answer of the environment stage: turns a command into one that runs inside.

    ``variables`` are added to the command's environment, ``path`` is put in front of its ``PATH``, ``prefix`` in front
    of its argv. A plugin may subclass it and override ``inside``. ``python`` is the interpreter of the project, if
    there is one. ``description`` lists what is in it (one ``name==version`` each) for the evidence.
    """

    variables: Mapping[str, str] = field(factory=dict)
    path: tuple[Path, ...] = ()
    prefix: tuple[str, ...] = ()
    python: Path | None = None
    description: tuple[str, ...] = ()

    def inside(self, command: Command) -> Command:
        """The same command, run inside this environment. What the command sets itself wins."""
        env = {**self.variables, **command.env}
        front = ":".join(str(part) for part in self.path)
        if front:
            env["PATH"] = f"{front}:{env['PATH']}" if env.get("PATH") else front
        return evolve(command, argv=(*self.prefix, *command.argv), env=env)


@frozen
class Provision:
    """Checkout and environment of another revision, from ``build.provision``."""

    checkout: Checkout
    environment: Environment


@frozen
class Artifact:
    """A file or directory worth keeping. ``path`` is absolute, inside the workspace; ``name`` is its relative path in
    the evidence."""

    path: Path
    name: str
    title: str = ""


@frozen
class Record:
    """Something an executor hands to analysers: ``kind`` says what ``data`` (JSON-like values) means."""

    kind: str
    data: Mapping[str, object]


@frozen
class Execution:
    """Answer of the execute stage. ``findings`` are what the executor itself already knows; ``reason`` says how its
    program ended (``CommandResult.reason``), when that was not with status 0."""

    exit_code: int | None = None
    message: str = ""
    artifacts: tuple[Artifact, ...] = ()
    records: tuple[Record, ...] = ()
    datasets: tuple[DatasetRun, ...] = ()
    findings: tuple[Finding, ...] = ()
    reason: str = ""


@frozen
class Publication:
    """Where evidence was published. ``url`` is the page to open."""

    url: str
    plugin: str = ""


@frozen
class PluginInfo:
    """A plugin that took part in a build."""

    name: str
    distribution: str
    version: str


@frozen
class WorkerInfo:
    """Who ran the build."""

    name: str
    hostname: str
    version: str


@frozen
class Fence:
    """Which attempt of a build something comes from, so that a late one never takes the place of a later one.

    A worker numbers its own attempts. The build may have been handed to another worker, which counts from 1 again: of
    two workers' attempts the one that was started later counts.
    """

    worker: str
    attempt: int
    started: datetime.datetime

    def after(self, other: Fence) -> bool:
        """Whether this attempt comes after the other one."""
        if self.worker == other.worker:
            return self.attempt > other.attempt
        return self.started > other.started


@frozen
class StageRun:
    """One stage as it ran."""

    name: StageName
    result: StageResult
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    plugins: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Seconds between start and end, 0 when it did not run."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else 0.0


@frozen
class Outcome:
    """What a build amounts to: the content of result.json, from which every page and message is made.

    ``summary`` is the verdict in one line of words. ``timed_out`` says that the job's deadline ended it. Artifacts are
    named by their path in the evidence.
    """

    job: str
    build: str
    attempt: int
    change: Change
    log_path: str
    verdict: Verdict
    summary: str
    worker: WorkerInfo
    started: datetime.datetime
    ended: datetime.datetime
    commit: str | None = None
    timed_out: bool = False
    stages: tuple[StageRun, ...] = ()
    plugins: tuple[PluginInfo, ...] = ()
    datasets: tuple[DatasetRun, ...] = ()
    findings: tuple[Finding, ...] = ()
    artifacts: tuple[str, ...] = ()
    publications: tuple[Publication, ...] = ()
    schema_version: int = RESULT_SCHEMA_VERSION

    @property
    def duration_s(self) -> float:
        """Seconds from start to end."""
        return (self.ended - self.started).total_seconds()

    @property
    def fence(self) -> Fence:
        """Which attempt it is the outcome of."""
        return Fence(self.worker.name, self.attempt, self.started)
