"""Small plugins of every stage that do what the contract says, or all of it but one thing: the ``fault``."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import CancelledError, ChangeError, DeadlineError, InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import (
    Artifact,
    Attempt,
    Change,
    ChangeKind,
    Checkout,
    Command,
    Environment,
    Execution,
    Fence,
    Finding,
    Outcome,
    Publication,
    Severity,
    Verdict,
)
from thcore.model.document import from_json
from thcore.testing.contract import (
    AnalyserContract,
    CheckoutContract,
    EnvironmentContract,
    ExecutorContract,
    PublisherContract,
    Work,
)

COMMIT = "1" * 40


def look(build: Build, fault: str) -> None:
    """Look whether the build was told to end; ``cancel`` and ``deadline`` take that for a fault of the
    infrastructure."""
    try:
        build.check()
    except (CancelledError, DeadlineError) as error:
        if fault == {CancelledError: "cancel", DeadlineError: "deadline"}[type(error)]:
            raise InfrastructureError("something went wrong") from error
        raise


def begin(mark: Path) -> None:
    """Note that something has begun. Raises InfrastructureError when it was never ended: the fault ``kill``."""
    if mark.exists():
        raise InfrastructureError("somebody else is at it")
    mark.touch()


@frozen(eq=False)
class CheckOut:
    """Copies a file that is kept between builds."""

    fault: str = ""

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        if build.change.commit != COMMIT:
            raise KeyError(build.change.commit) if self.fault == "missing" else ChangeError("no such change")
        look(build, self.fault)
        kept = build.state / "file.txt"
        if not kept.exists() and self.fault == "kill":
            kept.touch()
            kept.write_text("content")
        elif not kept.exists():
            part = build.workspace.temporary / "file.txt"
            part.write_text("content")
            part.replace(kept)
        source = build.state / build.id if self.fault == "outside" else build.workspace.source
        source.mkdir()
        (os.link if self.fault == "shared" else shutil.copyfile)(kept, source / "file.txt")
        if self.fault == "process":
            # With a status, nobody complains that it was not waited for.
            subprocess.Popen(["sleep", "5"], start_new_session=True).returncode = 0
        return Checkout(source, "HEAD" if self.fault == "commit" else COMMIT)

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        if self.fault == "cleanup":
            (attempt.workspace / "mark").unlink()


class CheckOutSuite(CheckoutContract):
    plugin = CheckOut()
    change = Change("example/project", ChangeKind.CHANGE, "main", "refs/changes/1", COMMIT)


@frozen(eq=False)
class Surround:
    """Puts a program on PATH."""

    fault: str = ""

    @hookimpl
    def thcore_environment(self, build: Build, checkout: Checkout) -> Environment:
        look(build, self.fault)
        if (checkout.path / "broken").exists():
            raise RuntimeError("broken") if self.fault == "broken" else ChangeError("the project is broken")
        if self.fault == "names":
            [path.name.encode("ascii") for path in checkout.path.rglob("*")]
        if self.fault == "kill":
            begin(build.state / "begun")
        directory = (build.state if self.fault == "shared" else build.workspace.root) / "bin"
        directory.mkdir(exist_ok=True)
        program = directory / "inside"
        program.write_text(f"#!/bin/sh\nexit {int(self.fault == 'program')}\n")
        program.chmod(0o755)
        (build.state / "begun").unlink(missing_ok=True)
        return Environment(
            variables=dict(os.environ) if self.fault == "leak" else {},
            path=(directory,),
            description=(build.id,) if self.fault == "description" else (),
        )

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        shutil.rmtree(attempt.state / "bin", ignore_errors=True)


class SurroundSuite(EnvironmentContract):
    plugin = Surround()
    program = ("inside",)
    broken = {"broken": ""}  # noqa: RUF012 - read only


@frozen
class Where:
    """Options with a directory."""

    directory: Path = option("Where.")


@frozen(eq=False)
class Execute:
    """Runs the file ``program`` of the change in a shell."""

    fault: str = ""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return Where

    @hookimpl
    def thcore_execute(self, build: Build, checkout: Checkout) -> Execution:
        program = ("sh", "-c", (checkout.path / "program").read_text())
        if self.fault == "deaf":
            variables = {"PATH": os.environ["PATH"], "THCORE_WORKSPACE": str(build.workspace.root)}
            subprocess.run(program, env=variables, check=False)
        if self.fault == "parameters":
            build.run(Command(("sh", "-c", f"echo {build.parameters.get('ZUUL_PROJECT')}"), source="job"))
        if self.fault == "kill":
            begin(build.state / "begun")
        try:
            result = build.run(Command(program))
        except CancelledError:
            if self.fault == "swallowed":
                return Execution(exit_code=1)
            raise
        if self.fault == "raises" and not result.ok:
            raise RuntimeError("the program failed")
        file = Path("/etc/hostname") if self.fault == "artifact" else build.workspace.log
        code = None if self.fault == "exit" else result.exit_code
        (build.state / "begun").unlink(missing_ok=True)
        note = Finding(f"note-{build.id}" if self.fault == "unsteady" else "note", Severity.INFO, "done")
        return Execution(code, artifacts=(Artifact(file, "log.txt"),), findings=(note,))


class ExecuteSuite(ExecutorContract):
    plugin = Execute()
    options = {"directory": "/nonexistent"}  # noqa: RUF012 - read only
    files = {"program": "exit 0"}  # noqa: RUF012 - read only
    endless = Work(options, {"program": "echo it is running; exec sleep 60"})
    failing = Work(options, {"program": "exit 3"})


@frozen(eq=False)
class Analyse:
    """Looks at the exit status."""

    fault: str = ""

    @hookimpl
    def thcore_analyse(self, build: Build, execution: Execution) -> Iterator[Finding]:
        look(build, self.fault)
        if self.fault == "kill":
            begin(build.state / "begun")
            (build.state / "begun").unlink()
        log = build.workspace.log
        readable = self.fault == "link" or not log.is_symlink()
        text = log.read_text("utf-8", "strict" if self.fault == "strict" else "replace") if readable else ""
        if self.fault == "slow" and "\0" in text and execution.exit_code == 1:
            time.sleep(2)  # longer than the test lets it be
        if not execution.exit_code and self.fault != "never-was":
            return
        message = text if self.fault in {"lines", "link"} and text.strip() else "The program failed"
        if self.fault == "unsteady":
            message += f" at {time.monotonic_ns()}"
        if self.fault != "silent":
            yield Finding("Exit Status" if self.fault == "code" else "exit-status", Severity.FAILURE, message)


class AnalyseSuite(AnalyserContract):
    plugin = Analyse()
    log = "first\nsecond\n"


@frozen(eq=False)
class Publish:
    """Copies the evidence to a directory."""

    fault: str = ""

    @hookimpl
    def thcore_job_options(self) -> type[Any]:
        return Where

    @hookimpl
    def thcore_publish(self, build: Build, options: Where, outcome: Outcome) -> Publication | None:
        look(build, self.fault)
        if self.fault == "failed" and outcome.verdict is Verdict.FAILURE:
            return None
        target = options.directory / build.log_path
        present = self._present(target)
        if present is not None and self._is_late(present, outcome):
            raise InfrastructureError("a later attempt is published")
        if present == outcome.fence and self.fault == "twice":
            raise InfrastructureError("it is published already")
        if self.fault == "kill":
            begin(build.state / build.id)
        if self.fault != "later":
            shutil.rmtree(target, ignore_errors=True)
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise error if self.fault == "unreachable" else InfrastructureError("no such directory") from error
        for path in build.workspace.artifacts.rglob("*"):
            if path.is_file() and (self.fault == "link" or not path.is_symlink()):
                self._copy(path, target / path.relative_to(build.workspace.artifacts))
        if self.fault == "kill":
            (build.state / build.id).unlink()
        return Publication(build.log_path if self.fault == "url" else target.absolute().as_uri())

    def _present(self, target: Path) -> Fence | None:
        result = target / "result.json"
        return from_json(result.read_text()).fence if result.exists() else None

    def _is_late(self, present: Fence, outcome: Outcome) -> bool:
        if self.fault == "earlier":
            return False
        if self.fault == "workers" and present.worker != outcome.fence.worker:
            return False
        if self.fault == "counts":
            return present.attempt > outcome.attempt
        return present.after(outcome.fence)

    def _copy(self, path: Path, target: Path) -> None:
        if self.fault == "names":
            target = target.with_name(target.name.encode("utf-8", "replace").decode().replace("\n", " "))
            target.name.encode("ascii")
        content = path.read_bytes()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.replace(b"\r\n", b"\n") if self.fault == "bytes" else content)


class PublishSuite(PublisherContract):
    plugin = Publish()
    options = {"directory": "share"}  # noqa: RUF012 - read only; the tests run in a directory of their own
    broken = {"directory": "/dev/null/share"}  # noqa: RUF012 - idem

    def read_back(self, options: Where, log_path: str, name: str) -> bytes | None:
        path = options.directory.absolute() / log_path / name
        return path.read_bytes() if path.is_file() else None


SUITES: Mapping[str, tuple[type[Any], type[Any]]] = {
    "checkout": (CheckOut, CheckOutSuite),
    "environment": (Surround, SurroundSuite),
    "executor": (Execute, ExecuteSuite),
    "analyser": (Analyse, AnalyseSuite),
    "publisher": (Publish, PublishSuite),
}
