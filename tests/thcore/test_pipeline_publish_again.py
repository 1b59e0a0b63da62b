from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import Change, ChangeKind, Finding, Outcome, Severity, StageName, StageResult, Verdict
from thcore.model.document import from_json
from thcore.model.job import BuildRequest
from thcore.pipeline import lifecycle
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.pipeline.record import unpublished
from thcore.plugins import Plugins
from thcore.process.interrupt import Interrupt
from thcore.testing import run_job
from thcore.testing.build import WORKER
from thcore.testing.fakes import FakeCheckout, FakeExecutor, FakePublisher, raising

REQUEST = BuildRequest(
    "b0000000000000000000000000000001",
    "job",
    Change("example/project", ChangeKind.BRANCH, branch="main"),
    {},
    "45/12345/2/check/job/b000000",
)
AWAY = raising(InfrastructureError("the log server does not answer"))


def publish_again(
    directory: Path, outcome: Outcome, workspace: Workspace, publishers: dict[str, Any], given: Interrupt | None = None
) -> Outcome:
    loaded = Plugins()
    for name, plugin in publishers.items():
        assert loaded.add(name, plugin)
    names = tuple(publishers)
    plan = Plan("job", names, {**dict.fromkeys(StageName, ()), StageName.PUBLISH: names}, {}, {})
    surroundings = Surroundings(loaded, WORKER, directory / "state")
    with Interrupt() as interrupt:
        return lifecycle.publish_again(
            REQUEST, outcome, names, plan, surroundings, workspace, given or interrupt, lambda _event: None
        )


def test_the_outcome_is_told_before_it_is_published(tmp_path: Path) -> None:
    told: list[Outcome] = []
    publish = FakePublisher("https://logs.example.org/", lambda *_: told.append(told[0]))
    loaded = Plugins()
    loaded.add("checkout", FakeCheckout())
    loaded.add("execute", FakeExecutor())
    loaded.add("publish", publish)
    stages = {stage: loaded.implementing(f"thcore_{stage.value}") for stage in StageName}
    plan = Plan("job", loaded.names, stages, {}, {})
    workspace = Workspace(tmp_path / "workspace")
    workspace.artifacts.mkdir(parents=True)
    workspace.temporary.mkdir()
    surroundings = Surroundings(loaded, WORKER, tmp_path / "state")
    with Interrupt() as interrupt:
        lifecycle.run(REQUEST, 1, plan, surroundings, workspace, interrupt, lambda _event: None, told.append)

    assert len(told) == 2, "the publisher was asked before anybody knew the outcome"
    assert told[0].verdict is Verdict.SUCCESS


def test_evidence_that_was_not_published_is_when_the_target_is_back(tmp_path: Path) -> None:
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(),
        "publish": FakePublisher("https://logs.example.org/", AWAY),
    }
    outcome, workspace = run_job(tmp_path, plugins)
    assert unpublished(outcome) == ("publish",)

    back = FakePublisher("https://logs.example.org/1/")
    again = publish_again(tmp_path, outcome, workspace, {"publish": back})

    assert unpublished(again) == ()
    assert again.findings == ()
    assert [publication.url for publication in again.publications] == ["https://logs.example.org/1/"]
    assert (again.verdict, again.started, again.ended) == (outcome.verdict, outcome.started, outcome.ended)
    assert again.stages[-1].name is StageName.PUBLISH
    assert again.stages[-1].result is StageResult.OK
    assert back.seen[0].findings == ()
    assert from_json((workspace.artifacts / "result.json").read_text()).publications == again.publications
    assert "verdict SUCCESS" in workspace.log.read_text(), "the log of the build was not kept"


def test_a_target_that_is_still_away_leaves_one_finding_and_not_two(tmp_path: Path) -> None:
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(),
        "publish": FakePublisher("https://logs.example.org/", AWAY),
    }
    outcome, workspace = run_job(tmp_path, plugins)

    again = publish_again(tmp_path, outcome, workspace, {"publish": FakePublisher("https://logs.example.org/", AWAY)})

    assert [finding.code for finding in again.findings] == ["publish-failed"]
    assert unpublished(again) == ("publish",)


def test_only_the_publishers_that_failed_are_asked_again(tmp_path: Path) -> None:
    first = FakePublisher("https://first.example.org/")
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(),
        "first": first,
        "second": FakePublisher("https://second.example.org/", AWAY),
    }
    outcome, workspace = run_job(tmp_path, plugins)
    assert unpublished(outcome) == ("second",)

    again = publish_again(tmp_path, outcome, workspace, {"second": FakePublisher("https://second.example.org/")})

    assert [publication.plugin for publication in again.publications] == ["first", "second"]
    assert len(first.seen) == 1


def test_a_later_attempt_that_is_published_already_is_no_reason_to_try_again(tmp_path: Path) -> None:
    superseded = raising(InfrastructureError("attempt 2 is published already", code="publish-superseded"))
    plugins = {"checkout": FakeCheckout(), "execute": FakeExecutor(), "publish": FakePublisher(None, superseded)}
    outcome, _ = run_job(tmp_path, plugins)

    assert outcome.findings[0].code == "publish-superseded"
    assert unpublished(outcome) == ()


def test_what_was_interrupted_is_not_taken_for_published(tmp_path: Path) -> None:
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(),
        "publish": FakePublisher("https://logs.example.org/", AWAY),
    }
    outcome, workspace = run_job(tmp_path, plugins)

    with Interrupt() as interrupt:
        interrupt.cancel("process 1 was sent SIGTERM")
        publish = FakePublisher("https://logs.example.org/")
        again = publish_again(tmp_path, outcome, workspace, {"publish": publish}, interrupt)

    assert publish.seen == []
    assert unpublished(again) == ("publish",)
    assert "SIGTERM" in again.findings[0].message


def test_other_findings_stay_when_evidence_is_published_later(tmp_path: Path) -> None:
    bad = Finding("bad", Severity.FAILURE, "It is bad")
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(),
        "publish": FakePublisher("https://logs.example.org/", AWAY),
    }
    outcome, workspace = run_job(tmp_path, plugins)
    outcome = evolve(outcome, findings=(bad, *outcome.findings))

    again = publish_again(tmp_path, outcome, workspace, {"publish": FakePublisher("https://logs.example.org/")})

    assert again.findings == (bad,)
