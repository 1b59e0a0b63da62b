from __future__ import annotations

from pathlib import Path

import pytest

from thcore.builtin import exit_status, git, log_patterns, shell, venv
from thcore.errors import ConfigError, InfrastructureError, PluginError
from thcore.hooks import Build, hookimpl
from thcore.model import Attempt, Change, ChangeKind, Execution, Finding, Severity, Verdict
from thcore.testing.fakes import FakeAnalyser, FakePublisher, raising
from thcore.testing.plugin import LoadPlugin, OpenStage
from thcore.testing.repository import Repository


def test_a_checkout_is_called_alone(thcore_stage: OpenStage, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "origin" / "example" / "project", {"app.py": "pass\n"})
    change = Change("example/project", ChangeKind.BRANCH, "main")

    checkout = thcore_stage(git.plugin, {"base_url": tmp_path / "origin"}, change=change).checkout()

    assert checkout.commit == repository.head()
    assert (checkout.path / "app.py").exists()


def test_an_executor_is_called_alone_with_files_and_a_log(thcore_stage: OpenStage) -> None:
    stage = thcore_stage(shell.plugin, {"script": ["./job.sh"]}, files={"job.sh": "#!/bin/sh\necho at work\nexit 3\n"})

    assert stage.execute().exit_code == 3
    assert "at work" in stage.log


def test_an_analyser_is_called_alone_with_the_log_that_it_is_given(thcore_stage: OpenStage) -> None:
    stage = thcore_stage(
        log_patterns.plugin, {"patterns": [{"regex": "Traceback"}]}, log="2026-03-01T10:00:00.000Z job | Traceback\n"
    )

    (finding,) = stage.analyse()

    assert finding.location.line == 1
    assert thcore_stage(exit_status.plugin).analyse(Execution(3))[0].severity is Severity.FAILURE


def test_a_publisher_is_called_alone_with_an_outcome_as_wished(thcore_stage: OpenStage) -> None:
    publisher = FakePublisher()
    stage = thcore_stage(publisher)
    found = Finding("slow", Severity.FAILURE, "Too slow")

    publication = stage.publish(Verdict.FAILURE, findings=[found], evidence={"notes.txt": "hello"})

    assert publication is not None
    assert publication.url == "https://logs.example.org/"
    (outcome,) = publisher.seen
    assert (outcome.verdict, outcome.summary, outcome.findings) == (Verdict.FAILURE, "Too slow", (found,))
    assert publisher.published[stage.build.log_path].keys() == {"console.log", "notes.txt", "result.json"}


def test_an_outcome_has_a_finding_as_heavy_as_its_verdict(thcore_stage: OpenStage) -> None:
    stage = thcore_stage(FakePublisher())

    assert stage.outcome(Verdict.SUCCESS).findings == ()
    assert [found.severity for found in stage.outcome(Verdict.UNVERIFIED).findings] == [Severity.UNVERIFIED]


def test_an_environment_is_called_alone(thcore_stage: OpenStage) -> None:
    environment = thcore_stage(venv.plugin, {"offline": True}, files={"README": "nothing to install\n"}).environment()

    assert environment.python is not None


def test_a_plugin_that_raises_by_mistake_is_named_with_the_line(thcore_stage: OpenStage) -> None:
    with pytest.raises(PluginError, match=r"plugin plugin \(local 0\), thcore_analyse raised ZeroDivisionError"):
        thcore_stage(FakeAnalyser(raising(ZeroDivisionError("sums")))).analyse()
    with pytest.raises(InfrastructureError):
        thcore_stage(FakeAnalyser(raising(InfrastructureError("the server is away")))).analyse()


def test_cleanup_is_called_as_the_worker_does(thcore_stage: OpenStage) -> None:
    class Tidy:
        def __init__(self) -> None:
            self.attempts: list[Attempt] = []

        @hookimpl
        def thcore_cleanup(self, attempt: Attempt) -> None:
            self.attempts.append(attempt)

    tidy = Tidy()
    stage = thcore_stage(tidy, attempt=2)
    stage.cleanup()

    (attempt,) = tidy.attempts
    assert (attempt.build_id, attempt.number, attempt.workspace) == (stage.build.id, 2, stage.build.workspace.root)


def test_a_class_is_loaded_as_an_installed_plugin_is(thcore_plugin: LoadPlugin) -> None:
    class Curious:
        @hookimpl
        def thcore_analyse(self, build: Build) -> None:
            build.check()

    plugin = thcore_plugin(Curious)

    assert plugin.hooks == {"thcore_analyse"}
    assert plugin.options() is None
    assert isinstance(plugin.object, Curious)
    with pytest.raises(AssertionError, match="thcore_job_options answers no class"):
        plugin.options({"limit": 3})


def test_what_cannot_be_loaded_is_told_as_thcore_plugins_tells_it(thcore_plugin: LoadPlugin) -> None:
    class Misspelt:
        @hookimpl
        def thcore_analyze(self, build: Build) -> None:
            build.check()

    with pytest.raises(AssertionError, match=r"unknown hook thcore_analyze; did you mean thcore_analyse\?"):
        thcore_plugin(Misspelt, "misspelt")


def test_options_are_read_as_a_job_writes_them(thcore_plugin: LoadPlugin, tmp_path: Path) -> None:
    plugin = thcore_plugin(git.plugin, "git")

    assert plugin.options({"base_url": tmp_path, "retries": 0}).retries == 0
    with pytest.raises(ConfigError, match="retries"):
        plugin.options({"base_url": tmp_path, "retries": "often"})
