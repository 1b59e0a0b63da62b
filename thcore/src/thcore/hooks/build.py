"""What a stage may use while it works on a build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from thcore.model import (
    Change,
    Command,
    CommandResult,
    DatasetRun,
    Environment,
    JobHistory,
    Measurement,
    Progress,
    Provision,
    Revision,
    Secret,
    Step,
)

Converse = Callable[[str], str | None]
"""Answers one line of a running program with one line, or with None for no answer. See ``Build.run``."""


@frozen
class Workspace:
    """The directories of one attempt. All are inside ``root``, which is removed after the attempt.

    ``source`` is where the checkout belongs. Everything in ``artifacts`` is published. ``temporary`` is for the rest.
    """

    root: Path

    @property
    def source(self) -> Path:
        """The work tree of the change under test."""
        return self.root / "source"

    @property
    def artifacts(self) -> Path:
        """What gets published."""
        return self.root / "artifacts"

    @property
    def temporary(self) -> Path:
        """Anything else; also the ``TMPDIR`` of programs."""
        return self.root / "tmp"

    @property
    def log(self) -> Path:
        """The build log, one line per line of output: time, source, text."""
        return self.artifacts / "console.log"


class Service(Protocol):
    """A program that runs in the background of a build."""

    @property
    def pid(self) -> int:
        """Its process id."""

    def running(self) -> bool:
        """Whether it is still there."""

    def result(self) -> CommandResult | None:
        """How it ended, or None while it runs."""


class Build(Protocol):
    """One attempt of one build, as the stages see it. Lives in the child process that owns the build.

    Each plugin is given its own view: ``settings`` and ``state`` are that plugin's. All methods may be called from
    several threads at once; when the build is told to end, each of them has it raised.
    """

    @property
    def id(self) -> str:
        """Zuul's unique id of the build."""

    @property
    def job(self) -> str:
        """Name of the job."""

    @property
    def attempt(self) -> int:
        """Which delivery of this build it is, from 1."""

    @property
    def change(self) -> Change:
        """What is under test."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The job arguments that came with the build. Untrusted text."""

    @property
    def log_path(self) -> str:
        """Where the evidence goes below a publisher's root: relative, without ``..``."""

    @property
    def workspace(self) -> Workspace:
        """The directories of this attempt."""

    @property
    def settings(self) -> Any:
        """The calling plugin's worker-wide settings: an instance of what ``thcore_settings`` answered, or None."""

    @property
    def state(self) -> Path:
        """A directory that the calling plugin keeps between builds, shared by all builds of the worker that run at the
        same time. Exists."""

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The secrets of the configuration, by name. Their text is blanked out in the build log."""

    def remaining_s(self) -> float | None:
        """Seconds until the deadline, never below 0; None when the job has none."""

    def check(self) -> None:
        """Raise CancelledError or DeadlineError when the build was told to end. Call it in long loops."""

    def run(
        self, command: Command, *, environment: Environment | None = None, converse: Converse | None = None
    ) -> CommandResult:
        """Run a program to its end: logged, timed, cancellable; inside ``environment`` when one is given.

        A program that fails is no exception: look at the result. With ``converse`` the program finds in the variable
        ``THCORE_CHANNEL`` the number of a file descriptor, a stream socket: each line that it writes there is given to
        ``converse``, in this thread, and the answer is written back as a line. Raises CancelledError or DeadlineError
        when the build is told to end (the program and everything it started are gone by then), and
        InfrastructureError when the program cannot be started.
        """

    def service(
        self, command: Command, *, log: Path, environment: Environment | None = None
    ) -> AbstractContextManager[Service]:
        """Start a program that runs in the background until the context is left; it is then ended with SIGTERM, after a
        grace with SIGKILL. Both its output streams are appended to the file ``log``. Raises like ``run``."""

    def provision(self, revision: Revision, *, options: Mapping[str, Mapping[str, Any]] | None = None) -> Provision:
        """Check out another revision of the same project and build its environment, through the job's own plugins.

        ``options`` are keys by the name of a plugin, written as in a job; they are laid over the job's own for this
        revision: ``{"venv": {"python": "3.9"}}``. Done once for the same revision and options. Raises what the
        plugins raise, and InfrastructureError (``options-invalid``, naming plugin and key).
        """

    def resolve(self, revision: Revision) -> str:
        """The commit that another revision of the same project is at: 40 hexadecimal digits, without a work tree.

        A name means the same commit for the whole attempt, however its branch moves: ``provision`` checks out that
        one. Raises what the checkout plugin raises.
        """

    def preparation(self, *, options: Mapping[str, Mapping[str, Any]] | None = None) -> str:
        """A digest of how the job prepares a revision: the plugins of the stages checkout and environment, their
        versions and their options, with ``options`` laid over them as for ``provision``, and what those stand for
        that name something (``stands_for`` of ``option``). The same text means the same preparation; for keys of what
        is kept between builds. It stays the same for the whole attempt. Raises InfrastructureError
        (``options-invalid``), and what the plugins raise.
        """

    def past(self, step: Step, run: DatasetRun, *, limit: int = 100) -> tuple[Measurement, ...]:
        """What a step cost when builds before this one ran it under the same conditions: the same content of the same
        dataset, version of the engine and ``run.conditions``; newest first, ``limit`` at most.

        Only builds that passed count, and none of the change that is under test. Nothing is written. Empty where the
        worker remembers nothing, or cannot be asked: the build log says why.
        """

    def recent(self, *, limit: int = 50) -> JobHistory:
        """What became of this job lately: its attempts that the worker remembers, newest first, ``limit`` at most, each
        with its stages and the steps that matter most. Without this attempt, unless it is published again.

        Nothing is written. Empty where the worker remembers nothing, or cannot be asked: the build log says why.
        """

    def part(self, name: str = "") -> AbstractContextManager[Build]:
        """The same build for one of several parts that are worked on side by side, each in a thread of its own. Their
        progress is told as one: the sums of done and total, and what each is at. With a name, it is put in front of the
        sources of the part's lines in the build log: ``name:source``. On leaving, the part is over."""

    def emit(self, progress: Progress) -> None:
        """Tell how far the stage is. Cheap; may be called often."""

    def log(self, message: str, *, source: str = "thcore") -> None:
        """Write a line to the build log."""
