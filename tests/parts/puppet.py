"""A plugin that does every stage as the build's parameters say, and a worker that has it.

``DO_<STAGE>`` says what a stage does: ``wait`` for ``release``, ``kill`` or ``segv`` its own process, ``kill-once``,
``raise``, ``fail`` (a failure of the change), ``warn`` (as Python does, with the parameter ``NOTE``), ``hang`` (deaf to
SIGTERM), ``talk`` without end, ``spawn`` a program that outlives everything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parts.distribution import Site
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

PLUGIN = """\
import os
import pathlib
import signal
import subprocess
import time
import warnings

from attrs import frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import hookimpl, option
from thcore.model import Checkout, Environment, Execution, Progress, Publication


@frozen
class Options:
    directory: pathlib.Path = option("Where the strings are.")
    word: str = option("What the build says.", default="")


def act(build, options, stage):
    flags = options.directory
    (flags / f"{stage}-{build.id}-{build.attempt}").touch()
    build.log(f"the puppet is at {stage}")
    what = build.parameters.get(f"DO_{stage.upper()}", "")
    once = flags / f"once-{stage}-{build.id}"
    if what.endswith("-once"):
        what = "" if once.exists() else what.removesuffix("-once")
        once.touch()
    if what == "wait":
        while not (flags / f"go-{stage}-{build.id}").exists() and not (flags / "go").exists():
            build.check()
            time.sleep(0.01)
    elif what == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    elif what == "talk":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            build.emit(Progress("and so on", 1, 2))
    elif what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "segv":
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "raise":
        raise RuntimeError("the puppet was told to raise")
    elif what == "fail":
        raise ChangeError("the puppet was told to fail")
    elif what == "warn":
        warnings.warn(build.parameters["NOTE"], stacklevel=1)
    elif what == "spawn":
        variables = {"PATH": os.environ["PATH"], "THCORE_WORKSPACE": str(build.workspace.root)}
        program = subprocess.Popen(["sleep", "300"], start_new_session=True, env=variables)
        program.returncode = 0
        (flags / f"pid-{build.id}").write_text(str(program.pid))


class Puppet:
    @hookimpl
    def thcore_job_options(self):
        return Options

    @hookimpl
    def thcore_checkout(self, build, options):
        act(build, options, "checkout")
        build.workspace.source.mkdir()
        return Checkout(build.workspace.source, "0" * 40)

    @hookimpl
    def thcore_environment(self, build, options):
        act(build, options, "environment")
        return Environment()

    @hookimpl
    def thcore_execute(self, build, options):
        act(build, options, "execute")
        return Execution(exit_code=0, message=options.word)

    @hookimpl
    def thcore_analyse(self, build, options):
        act(build, options, "analyse")
        return ()

    @hookimpl
    def thcore_publish(self, build, options, outcome):
        act(build, options, "publish")
        if (options.directory / "away").exists():
            raise InfrastructureError("the puppet's target is away")
        with (options.directory / "published").open("a") as ledger:
            ledger.write(f"{outcome.build} {outcome.attempt} {outcome.verdict.value}\\n")
        return Publication(f"https://puppet.example.org/{outcome.build}/{outcome.attempt}")

    @hookimpl
    def thcore_cleanup(self, attempt, options):
        (options.directory / f"cleanup-{attempt.build_id}-{attempt.number}").touch()
        while (options.directory / f"hold-{attempt.build_id}").exists():
            time.sleep(0.01)
        with (options.directory / "cleaned").open("a") as ledger:
            ledger.write(f"{attempt.build_id} {attempt.number}\\n")


plugin = Puppet()
"""


class Theatre:
    """The strings of the puppets of one test: the worker under test, and a Zuul that launches builds."""

    def __init__(self, directory: Path, zuul: Zuul, server: str) -> None:
        self.flags = directory / "flags"
        self.flags.mkdir(parents=True)
        self.zuul = zuul
        self.directory = directory
        self._server = server
        Site(directory / "site").plugin("puppet", PLUGIN)

    def worker(
        self, name: str = "worker", *, environment: Mapping[str, str] | None = None, **configuration: Any
    ) -> Worker:
        """A worker of that name with the jobs ``play`` and, with a time limit, ``short``."""
        plugins = {"puppet": {"directory": str(self.flags)}}
        jobs = [
            {"name": "play", "plugins": plugins},
            {"name": "short", "timeout": "1s", "plugins": plugins},
        ]
        made = {"jobs": jobs, "free_space": "1MiB", **configuration}
        return Worker(
            self.directory / name,
            self._server,
            name=f"{name}-under-test",
            environment={"PYTHONPATH": str(self.directory / "site"), **(environment or {})},
            **made,
        )

    def launch(self, job: str = "play", **parameters: Any) -> ZuulBuild:
        """Launch a build; ``DO_EXECUTE="kill"`` and the like are its strings."""
        return self.zuul.launch(job, **parameters)

    def wait_at(self, stage: str, build: ZuulBuild, attempt: int = 1) -> None:
        """Wait until a build is at a stage."""
        self.wait_until((self.flags / f"{stage}-{build.unique}-{attempt}").exists, f"{build.unique} at {stage}")

    def release(self, stage: str, build: ZuulBuild) -> None:
        """Let a build that waits at a stage go on."""
        (self.flags / f"go-{stage}-{build.unique}").touch()

    def published(self) -> list[tuple[str, int, str]]:
        """Build, attempt and verdict of everything that was published, in order."""
        return [(build, int(attempt), verdict) for build, attempt, verdict in self._rows("published")]

    def cleaned(self) -> list[tuple[str, int]]:
        """Build and attempt of every cleanup, in order."""
        return [(build, int(attempt)) for build, attempt in self._rows("cleaned")]

    def wait_until(self, condition: Callable[[], Any], what: str, timeout: float = 20) -> None:
        """Wait for something that another program does with files or processes: there is no event to wait on."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"never happened: {what}")
            time.sleep(0.02)

    def _rows(self, name: str) -> list[list[str]]:
        path = self.flags / name
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def journal(worker: Worker, build: ZuulBuild) -> dict[str, Any]:
    """What the worker's journal has of a build."""
    document: dict[str, Any] = json.loads(next(worker.state.glob(f"*/{build.unique}.json")).read_text())
    return document
