"""A plugin as it was written for thcore 0.1: it has every hook with all its arguments, and does with what it is given
what plugins do. Nothing in here is ever brought up to date."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import click
from attrs import evolve, frozen

from thcore.errors import CancelledError, ChangeError, DeadlineError, InfrastructureError, StoppedError
from thcore.hooks import Build, Premises, Workspace, hookimpl, json_option, option, with_premises
from thcore.model import (
    Artifact,
    Attempt,
    BuildEvent,
    BuildEventKind,
    BuildRequest,
    Bytes,
    ChangeKind,
    Checkout,
    Command,
    Environment,
    Execution,
    Finding,
    LivePage,
    Location,
    Outcome,
    Progress,
    Publication,
    Record,
    Seconds,
    Secret,
    Severity,
    Verdict,
    WorkerEvent,
    WorkerEventKind,
)

NAME = "every_hook"


class Mood(enum.Enum):
    """How it feels."""

    GOOD = "good"
    GRIM = "grim"


@frozen
class Inner:
    """A part of the options."""

    regex: str = option("What to look for.")
    weight: float = option("How much it counts.", default=1.0)


@frozen
class Options:
    """What a job may say: every kind of option that 0.1 can read."""

    directory: Path = option("Where to publish.", example="/srv/share")
    words: tuple[str, ...] = option("What to say.", default=("hello",))
    limit: Seconds = option("How long.", default=Seconds(60.0))
    size: Bytes | None = option("How much.", default=None)
    mood: Mood = option("How it feels.", default=Mood.GOOD)
    way: Literal["short", "long"] = option("Which way.", default="short")
    token: Secret = option("The word.", factory=lambda: Secret("none"))
    variables: Mapping[str, str] = option("More variables.", factory=dict)
    inner: tuple[Inner, ...] = option("Parts.", default=())
    even: int = option("An even number.", default=2, validator=lambda *checked: even(checked[-1]))


def even(value: int) -> None:
    """Raises ValueError for an odd number."""
    if value % 2:
        raise ValueError(f"{value} is odd")


@frozen
class Settings:
    """What the worker may say."""

    server: str = option("The server.", default="localhost")


class Inside(Environment):
    """An environment of its own."""

    def inside(self, command: Command) -> Command:
        """Mark the command."""
        return super().inside(evolve(command, env={**command.env, "INSIDE": "yes"}))


class EveryHook:
    """The plugin. ``called`` are the hooks that were, in order."""

    def __init__(self) -> None:
        self.called: list[str] = []

    @hookimpl
    def thcore_job_options(self) -> type[Options]:
        self.called.append("thcore_job_options")
        return Options

    @hookimpl
    def thcore_settings(self) -> type[Settings]:
        self.called.append("thcore_settings")
        return Settings

    @hookimpl
    def thcore_preload(self) -> None:
        self.called.append("thcore_preload")

    @hookimpl
    def thcore_checkout(self, build: Build, options: Options) -> Checkout:
        self.called.append("thcore_checkout")
        change = build.change
        if change.kind is not ChangeKind.BRANCH or change.branch != "main" or change.ref or change.commit:
            raise ChangeError(f"{change.project} is not to be had", code="change-odd")
        build.workspace.source.mkdir(parents=True)
        (build.workspace.source / "words.txt").write_text("".join(f"{word}\n" for word in options.words), "utf-8")
        return Checkout(path=build.workspace.source, commit="a" * 40)

    @hookimpl
    def thcore_resolve(self, build: Build, options: Options) -> str | None:
        self.called.append("thcore_resolve")
        return "b" * 40 if build.change and options else None

    @hookimpl
    def thcore_environment(self, build: Build, options: Options, checkout: Checkout) -> Environment:
        self.called.append("thcore_environment")
        build.check()
        return Inside(
            variables={"MOOD": options.mood.value, **options.variables},
            path=(checkout.path,),
            prefix=("env",),
            python=None,
            description=("every-hook==0.1.0",),
        )

    @hookimpl
    def thcore_execute(self, build: Build, options: Options, checkout: Checkout, environment: Environment) -> Execution:
        self.called.append("thcore_execute")
        build.emit(Progress("counting", 1, 2))
        build.log("a line of its own", source=NAME)
        assert build.remaining_s() is None
        assert build.state.is_dir()
        assert (build.job, build.attempt, build.secrets, build.settings) == ("job", 1, {}, None)
        script = 'cat words.txt; echo "$MOOD $INSIDE $WRAPPED" > "$TMPDIR/mood"; cat "$TMPDIR/mood"'
        command = Command(
            ("sh", "-c", script),
            cwd=checkout.path,
            env={"PATH": "/usr/bin:/bin"},
            source="words",
            timeout_s=options.limit,
            capture=True,
        )
        try:
            result = build.run(command, environment=environment)
        except (CancelledError, DeadlineError, StoppedError):
            raise
        if result.signal is not None or result.timed_out:
            raise InfrastructureError(result.reason(), code="words-failed")
        with (
            build.part("side") as part,
            part.service(
                Command(("sleep", "60"), env={"PATH": "/usr/bin:/bin"}), log=build.workspace.artifacts / "service.log"
            ) as service,
        ):
            assert service.running()
            assert service.pid > 0
            assert service.result() is None
        report = build.workspace.temporary / "report.txt"
        report.write_bytes(result.stdout)
        return Execution(
            exit_code=result.exit_code,
            message=result.reason(),
            artifacts=(Artifact(report, "report.txt", "The report"),),
            records=(Record("every_hook", {"said": result.stdout.decode()}),),
            reason="",
        )

    @hookimpl
    def thcore_analyse(self, build: Build, options: Options, execution: Execution) -> Iterator[Finding]:
        self.called.append("thcore_analyse")
        (record,) = execution.records
        yield Finding("said", Severity.INFO, str(record.data["said"]).replace("\n", " ").strip())
        yield Finding(
            "mood",
            Severity.WARNING if options.mood is Mood.GOOD else Severity.FAILURE,
            f"It feels {options.mood.value}",
            Location("words.txt", 1, dataset=None, step=None),
            tuple(build.workspace.log.read_text("utf-8").splitlines()[:1]),
            "Cheer it up.",
        )

    @hookimpl
    def thcore_address(self, request: BuildRequest, options: Options, settings: Settings) -> str | None:
        self.called.append("thcore_address")
        return f"https://{settings.server}/{request.log_path}/" if options else None

    @hookimpl
    def thcore_publish_live(self, build: Build, options: Options, page: LivePage) -> Publication | None:
        self.called.append("thcore_publish_live")
        target = options.directory / "live" / build.log_path
        for name, content in page.files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes(content)
        return Publication(target.as_uri()) if page.fence.attempt == build.attempt else None

    @hookimpl
    def thcore_publish(self, build: Build, options: Options, outcome: Outcome) -> Publication | None:
        self.called.append("thcore_publish")
        if outcome.verdict is Verdict.CANCELLED:
            return None
        options.directory.mkdir(parents=True, exist_ok=True)
        told = [outcome.verdict.value, outcome.job, outcome.build, *(finding.code for finding in outcome.findings)]
        (options.directory / "summary.txt").write_text("\n".join(told), "utf-8")
        assert (build.workspace.artifacts / "result.json").is_file()
        return Publication(url=(options.directory / "summary.txt").as_uri())

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt, options: Options | None) -> None:
        self.called.append("thcore_cleanup")
        assert (attempt.build_id, attempt.job, attempt.number) == ("b1", "job", 1)
        assert isinstance(Workspace(attempt.workspace).log, Path)
        assert isinstance(attempt.state, Path)
        assert options is None or isinstance(options, Options)

    @hookimpl
    def thcore_build_event(self, event: BuildEvent) -> None:
        self.called.append("thcore_build_event")
        assert event.kind in BuildEventKind
        assert (event.build_id, event.job, event.attempt, event.stage, event.detail) is not None

    @hookimpl
    def thcore_worker_event(self, event: WorkerEvent) -> None:
        self.called.append("thcore_worker_event")
        assert event.kind is WorkerEventKind.STARTED
        assert event.at.tzinfo is not None

    @hookimpl
    def thcore_wrap_command(self, build: Build, options: Options, command: Command) -> Command | None:
        self.called.append("thcore_wrap_command")
        return evolve(command, env={**command.env, "WRAPPED": build.job}) if options else None

    @hookimpl
    def thcore_health(self, settings: Settings, state: Path, work: Path, options: tuple[Any, ...]) -> list[Finding]:
        self.called.append("thcore_health")
        assert isinstance(state, Path)
        assert isinstance(work, Path)
        return [Finding("server", Severity.INFO, settings.server, hint=f"{len(options)} jobs")]

    @hookimpl
    def thcore_commands(self) -> list[click.Command]:
        self.called.append("thcore_commands")
        return [every_hook]


@click.command()
@json_option
@with_premises(NAME)
def every_hook(premises: Premises, *, as_json: bool) -> None:
    """Tell what the jobs say."""
    click.echo(f"{sorted(premises.jobs)} {premises.settings.server} {as_json}")


assert attrs.has(Options)
plugin = EveryHook()
