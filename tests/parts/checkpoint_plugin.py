"""A plugin that takes part in every stage of a build and stops at a checkpoint on its way in.

It does what the plugins ``git`` and ``shell`` do, through them, and leaves outside the workspace what a database gate
leaves: a directory, a socket, a server, a mount. Installed into a worker under test, see ``parts.checkpoint``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoint_entry
from attrs import frozen

from thcore.builtin.git import GitOptions
from thcore.builtin.git import plugin as git
from thcore.builtin.shell import ShellOptions
from thcore.builtin.shell import plugin as shell
from thcore.errors import InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Attempt, Checkout, Command, Environment, Execution


@frozen
class CheckpointOptions:
    """Options of both plugins."""

    socket: str = option("Where the checkpoint listens.")
    worker: str = option("What the checkpoint knows this worker as.")
    lingerer: str = option("The program that runs on and on.")
    repositories: str = option("Where the projects are.")
    results: str = option("What the evidence is published below.")
    mounts: bool = option("Whether this account may mount.", default=False)


class Checkpoint:
    """Everything but the end of publishing."""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return CheckpointOptions

    @hookimpl
    def thcore_checkout(self, build: Build, options: CheckpointOptions) -> Checkout:
        _pass(build, options, "checkout")
        answer: Checkout = git.thcore_checkout(build, GitOptions(base_url=options.repositories, submodules=False))
        return answer

    @hookimpl
    def thcore_environment(self, build: Build, options: CheckpointOptions) -> Environment:
        place = _place(build.state, build.id, build.attempt)
        place.mkdir(parents=True)
        if options.mounts and build.parameters["ZUUL_KIND"] == "serving":
            (place / "mount").mkdir()
            build.run(Command(("mount", "-t", "tmpfs", "chaos", str(place / "mount"))))
        _pass(build, options, "environment")
        return Environment()

    @hookimpl
    def thcore_execute(
        self, build: Build, options: CheckpointOptions, checkout: Checkout, environment: Environment
    ) -> Execution:
        entry = _entry(build, options, "execute")
        held = checkpoint_entry.enter(options.socket, entry) == "program"
        told = {
            "CHECKPOINT": options.socket if held else "",
            "CHECKPOINT_ENTRY": json.dumps({**entry, "parent": True}),
            "CHECKPOINT_PROGRAM": f"{sys.executable} -IS {checkpoint_entry.__file__}",
            "LINGERER": options.lingerer,
        }
        with self._server(build, options):
            answer: Execution = shell.thcore_execute(
                build, ShellOptions(("./job.sh",), variables=told), checkout, environment
            )
        return answer

    @hookimpl
    def thcore_analyse(self, build: Build, options: CheckpointOptions) -> None:
        _pass(build, options, "analyse")

    @hookimpl
    def thcore_publish(self, build: Build, options: CheckpointOptions) -> None:
        _pass(build, options, "publish")

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt, options: CheckpointOptions) -> None:
        entry = {
            "build": attempt.build_id,
            "attempt": attempt.number,
            "worker": options.worker,
            "stage": "cleanup",
        }
        if checkpoint_entry.enter(options.socket, entry) == "program":
            told = {"CHECKPOINT": options.socket, "CHECKPOINT_ENTRY": json.dumps(entry)}
            subprocess.run((sys.executable, "-IS", checkpoint_entry.__file__), env=told, check=False)
        git.thcore_cleanup(attempt, None)
        place = _place(attempt.state, attempt.build_id, attempt.number)
        if (place / "mount").is_mount():
            subprocess.run(("umount", str(place / "mount")), check=True)
        shutil.rmtree(place, ignore_errors=True)

    @contextlib.contextmanager
    def _server(self, build: Build, options: CheckpointOptions) -> Iterator[None]:
        """A private server, as a gate has one."""
        if build.parameters["ZUUL_KIND"] != "serving":
            yield
            return
        place = _place(build.state, build.id, build.attempt)
        with (
            socket.socket(socket.AF_UNIX) as listening,
            build.service(Command((options.lingerer, "600"), cwd=place), log=place / "server.log"),
        ):
            listening.bind(str(place / "s"))
            yield


class Published:
    """Comes after the publishers: the evidence is where people read it, and nobody has been answered yet."""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return CheckpointOptions

    @hookimpl
    def thcore_publish(self, build: Build, options: CheckpointOptions) -> None:
        _pass(build, options, "published", present=_present(Path(options.results) / build.log_path / "result.json"))


def _present(result: Path) -> tuple[str, int] | None:
    """Worker and attempt whose evidence is in place."""
    try:
        document = json.loads(result.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return document["worker"]["name"], document["attempt"]


def _place(state: Path, build: str, attempt: int) -> Path:
    return state / "places" / f"{build}-{attempt}"


def _entry(build: Build, options: CheckpointOptions, stage: str) -> dict[str, Any]:
    return {
        "build": build.id,
        "attempt": build.attempt,
        "worker": options.worker,
        "stage": stage,
        "child": os.getpid(),
        "nursery": os.getppid(),
    }


def _pass(build: Build, options: CheckpointOptions, stage: str, **told: object) -> None:
    """Stop at the checkpoint, in person or, when it says so, as a program of the build."""
    entry = {**_entry(build, options, stage), **told}
    if checkpoint_entry.enter(options.socket, entry) != "program":
        return
    env = {"CHECKPOINT": options.socket, "CHECKPOINT_ENTRY": json.dumps(entry)}
    result = build.run(Command((sys.executable, "-IS", checkpoint_entry.__file__), env=env))
    if not result.ok:
        raise InfrastructureError(f"the program of {stage} ended: {result.reason()}")


checkpoint = Checkpoint()
published = Published()
