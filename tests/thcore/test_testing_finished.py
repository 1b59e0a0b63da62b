from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from thcore.errors import ConfigError
from thcore.hooks import Build, hookimpl, option
from thcore.model import (
    Attempt,
    Change,
    ChangeKind,
    Checkout,
    Command,
    Execution,
    Finding,
    Outcome,
    Publication,
    Seconds,
    Severity,
    StageName,
    StageResult,
    Verdict,
)
from thcore.testing.fakes import FakeExecutor, FakePublisher
from thcore.testing.plugin import RunBuild


@frozen
class NotesOptions:
    directory: Path = option("Where notes are.")
    longest: Seconds = option("How long.", default=Seconds(60.0))


class Notes:
    """Finds a word in the log, and notes what it was cleaned up after."""

    @hookimpl
    def thcore_job_options(self) -> type[NotesOptions]:
        return NotesOptions

    @hookimpl
    def thcore_analyse(self, build: Build) -> Iterator[Finding]:
        if "careful" in build.workspace.log.read_text():
            yield Finding("careful", Severity.WARNING, "Somebody was careful")

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt, options: NotesOptions) -> None:
        options.directory.mkdir(parents=True, exist_ok=True)
        (options.directory / attempt.build_id).write_text(str(attempt.workspace))


def test_a_build_needs_no_more_than_the_plugin_under_test(thcore_build: RunBuild, tmp_path: Path) -> None:
    build = thcore_build({"notes": {"directory": tmp_path / "notes"}}, plugins={"notes": Notes})

    assert build.verdict is Verdict.SUCCESS
    assert [stage.result for stage in build.outcome.stages] == [StageResult.OK] * 5
    assert build.findings == ()


def test_a_build_has_a_log_findings_files_and_an_end(thcore_build: RunBuild, tmp_path: Path) -> None:
    job = {"shell": {"script": ["./job.sh"]}, "exit_status": {}, "notes": {"directory": tmp_path / "notes"}}

    build = thcore_build(job, plugins={"notes": Notes}, files={"job.sh": "#!/bin/sh\necho be careful\nexit 3\n"})

    assert build.verdict is Verdict.FAILURE
    assert "job.sh | be careful" in build.log
    assert build.finding("careful").plugin == "notes"
    assert {found.severity for found in build.findings} == {Severity.FAILURE, Severity.WARNING}
    assert {"console.log", "result.json"} <= build.files.keys()
    assert json.loads(build.files["result.json"])["verdict"] == "FAILURE"
    assert build.events[-1].detail == "FAILURE"
    with pytest.raises(AssertionError) as raised:
        build.finding("pause")
    assert "0 findings 'pause'; found was:\nexit-status: " in str(raised.value)
    assert "\ncareful: Somebody was careful\n" in str(raised.value)


def test_a_change_is_in_a_real_repository_where_git_checks_it_out(thcore_build: RunBuild) -> None:
    def read(build: Build) -> Execution:
        return Execution(0, message=(build.workspace.source / "app.py").read_text())

    files, changed = {"app.py": "before", "kept.py": "kept"}, {"app.py": "after"}
    change = Change("shop/app", ChangeKind.CHANGE, number="7", patchset="1")

    build = thcore_build({"git": {}}, plugins={"read": FakeExecutor(read)}, files=files, changed=changed, change=change)

    assert build.outcome.summary == "after"
    assert str(build.outcome.change) == "shop/app 7,1"
    assert build.outcome.commit == build.outcome.change.commit
    assert (build.workspace.source / "kept.py").read_text() == "kept"


def test_options_are_checked_as_in_a_configuration(thcore_build: RunBuild) -> None:
    with pytest.raises(ConfigError) as raised:
        thcore_build({"notes": {"longest": "soon", "directry": "/srv"}, "shel": {}}, plugins={"notes": Notes})

    told = str(raised.value)
    assert "notes.longest" in told
    assert "did you mean directory?" in told
    assert "did you mean shell" in told


def test_a_build_can_be_cancelled_as_a_stage_begins(thcore_build: RunBuild, tmp_path: Path) -> None:
    publisher = FakePublisher()

    build = thcore_build(
        {"notes": {"directory": tmp_path / "notes"}},
        plugins={"notes": Notes, "keeper": publisher},
        cancel_at=StageName.EXECUTE,
    )

    assert (build.verdict, build.outcome.summary) == (Verdict.CANCELLED, "Cancelled: cancelled by the test")
    assert publisher.seen == []
    assert list((tmp_path / "notes").iterdir()), "plugins clean up whatever becomes of the build"


def test_a_build_ends_at_the_time_limit_of_its_job(thcore_build: RunBuild) -> None:
    build = thcore_build({"shell": {"script": ["sleep", "600"]}}, timeout="300ms")

    assert build.outcome.timed_out
    assert build.outcome.stages[2].result is StageResult.STOPPED


def test_a_secret_reaches_the_build_and_no_log(thcore_build: RunBuild) -> None:
    def tell(build: Build) -> None:
        build.run(Command(("echo", build.secrets["token"].reveal())))

    build = thcore_build(plugins={"tell": FakeExecutor(tell)}, secrets={"token": "a-long-secret-word"})

    assert "a-long-secret-word" not in build.log


class Chatty:
    """Does everything, by itself."""

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        build.workspace.source.mkdir()
        return Checkout(build.workspace.source, "1" * 40)

    @hookimpl
    def thcore_execute(self, build: Build) -> Execution:
        build.log(build.parameters["GREETING"])
        return Execution(0)

    @hookimpl
    def thcore_publish(self, outcome: Outcome) -> Publication:
        return Publication(f"https://logs.example.org/{outcome.build}")


def test_a_plugin_may_do_every_stage_and_nothing_stands_in_for_it(thcore_build: RunBuild) -> None:
    build = thcore_build(plugins={"chatty": Chatty()}, parameters={"GREETING": "hello there"})

    assert [info.name for info in build.outcome.plugins] == ["chatty"]
    assert build.outcome.commit == "1" * 40
    assert "hello there" in build.log
    (publication,) = build.outcome.publications
    assert publication.url.startswith("https://logs.example.org/b0")
