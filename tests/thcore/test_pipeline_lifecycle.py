from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import ChangeError, ConfigError, InfrastructureError
from thcore.hooks import hookimpl
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    Command,
    Execution,
    Finding,
    Outcome,
    Progress,
    Severity,
    StageName,
    StageResult,
    Verdict,
)
from thcore.testing import run_job
from thcore.testing.fakes import (
    COMMIT,
    FakeAnalyser,
    FakeCheckout,
    FakeEnvironment,
    FakeExecutor,
    FakePublisher,
    raising,
)

OK, FAILED, SKIPPED = StageResult.OK, StageResult.FAILED, StageResult.SKIPPED
BAD = Finding("bad", Severity.FAILURE, "It is bad")


def results(outcome: Outcome) -> list[StageResult]:
    assert [stage.name for stage in outcome.stages] == list(StageName)
    return [stage.result for stage in outcome.stages]


def only(outcome: Outcome) -> Finding:
    (finding,) = outcome.findings
    return finding


def test_the_stages_run_in_their_order_and_tell_events_in_order(tmp_path: Path) -> None:
    order: list[str] = []
    events: list[BuildEvent] = []

    def note(name: str) -> Callable[..., Any]:
        def act(*_arguments: object) -> tuple[()]:
            order.append(name)
            return ()

        return act

    def execute(build: Any) -> None:
        order.append("execute")
        build.emit(Progress("half way", 1, 2))

    outcome, _ = run_job(
        tmp_path,
        {
            "publish": FakePublisher("https://logs.example.org/", note("publish")),
            "analyse": FakeAnalyser(note("analyse")),
            "checkout": FakeCheckout(note("checkout")),
            "execute": FakeExecutor(execute),
        },
        events=events,
    )
    assert order == ["checkout", "execute", "analyse", "publish"]
    assert outcome.verdict is Verdict.SUCCESS
    assert results(outcome) == [OK] * 5
    told = [(event.kind.value, event.stage, event.detail) for event in events]
    expected: list[tuple[str, str | None, str]] = [("started", None, "example/project main")]
    for stage in StageName:
        expected.append(("stage-started", stage.value, ""))
        if stage is StageName.EXECUTE:
            expected.append(("progress", "execute", "half way"))
        expected.append(("stage-ended", stage.value, "ok"))
    assert told == [*expected, ("ended", None, "SUCCESS")]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert {(event.build_id, event.job, event.attempt) for event in events} == {(outcome.build, "job", 1)}


def test_the_outcome_says_who_did_what(tmp_path: Path) -> None:
    outcome, workspace = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "publish": FakePublisher("https://logs.example.org/1/"),
        },
    )
    assert outcome.commit == COMMIT
    assert [publication.url for publication in outcome.publications] == ["https://logs.example.org/1/"]
    assert outcome.publications[0].plugin == "publish"
    assert [info.name for info in outcome.plugins] == ["checkout", "execute", "publish"]
    assert outcome.stages[0].plugins == ("checkout",)
    assert outcome.stages[0].started is not None
    assert outcome.started <= outcome.stages[0].started <= outcome.ended
    log = workspace.log.read_text()
    assert "stage checkout: ok in" in log
    assert "verdict SUCCESS: All checks passed" in log


def test_the_summary_of_a_pass_is_what_the_executor_says_in_one_line(tmp_path: Path) -> None:
    outcome, _ = run_job(
        tmp_path,
        {"checkout": FakeCheckout(), "execute": FakeExecutor(lambda _build: Execution(0, "12 steps passed\nand more"))},
    )
    assert outcome.summary == "12 steps passed"


def test_findings_of_the_executor_count_and_carry_its_name(tmp_path: Path) -> None:
    execution = Execution(0, "all is well", findings=(BAD,))
    outcome, _ = run_job(tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor(lambda _build: execution)})
    assert (outcome.verdict, outcome.summary) == (Verdict.FAILURE, "It is bad")
    assert only(outcome).plugin == "execute"


def test_a_change_that_cannot_be_checked_out_fails_and_is_analysed_and_published_all_the_same(tmp_path: Path) -> None:
    analyse, publish = FakeAnalyser(), FakePublisher("https://logs.example.org/")
    outcome, _ = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(raising(ChangeError("no such ref\nfatal: gone", code="ref-missing"))),
            "environment": FakeEnvironment(raising(AssertionError("must not be called"))),
            "execute": FakeExecutor(raising(AssertionError("must not be called"))),
            "analyse": analyse,
            "publish": publish,
        },
    )
    assert outcome.verdict is Verdict.FAILURE
    assert results(outcome) == [FAILED, SKIPPED, SKIPPED, OK, OK]
    found = only(outcome)
    assert (found.code, found.message, found.evidence, found.plugin) == (
        "ref-missing",
        "no such ref",
        ("fatal: gone",),
        "checkout",
    )
    assert outcome.commit is None
    assert analyse.seen == [Execution()]
    assert publish.seen[0].verdict is Verdict.FAILURE
    assert outcome.publications


@pytest.mark.parametrize("stage", ["checkout", "environment", "execute"])
@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (ChangeError("theirs", code="its-code"), Verdict.FAILURE, "its-code"),
        (InfrastructureError("ours", code="disk-full"), Verdict.UNVERIFIED, "disk-full"),
        (ConfigError("config.yaml: key: wrong"), Verdict.UNVERIFIED, "stage-failed"),
        (ValueError("a bug"), Verdict.UNVERIFIED, "plugin-failed"),
        (SystemExit(0), Verdict.UNVERIFIED, "plugin-failed"),
    ],
)
def test_what_a_stage_raises_says_whose_fault_it_is(
    tmp_path: Path, stage: str, error: BaseException, verdict: Verdict, code: str
) -> None:
    plugins: dict[str, Any] = {"checkout": FakeCheckout(), "environment": FakeEnvironment(), "execute": FakeExecutor()}
    plugins[stage] = type(plugins[stage])(raising(error))
    publish = FakePublisher("https://logs.example.org/")
    outcome, _ = run_job(tmp_path, plugins | {"publish": publish})
    assert (outcome.verdict, only(outcome).code) == (verdict, code)
    assert only(outcome).plugin == stage
    position = ["checkout", "environment", "execute"].index(stage)
    assert results(outcome) == [*[OK] * position, FAILED, *[SKIPPED] * (2 - position), OK, OK]
    assert publish.seen
    if code == "plugin-failed":
        assert f"plugin {stage} (local 0), thcore_{stage} raised {type(error).__name__}" in only(outcome).message


def test_an_analyser_that_breaks_is_never_a_pass_and_does_not_stop_the_others(tmp_path: Path) -> None:
    good = FakeAnalyser(lambda _build, _execution: [Finding("warn", Severity.WARNING, "careful")])
    outcome, _ = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "broken": FakeAnalyser(raising(ZeroDivisionError("sums"))),
            "good": good,
        },
    )
    assert outcome.verdict is Verdict.UNVERIFIED
    assert [finding.code for finding in outcome.findings] == ["plugin-failed", "warn"]
    assert "plugin broken (local 0), thcore_analyse raised ZeroDivisionError: sums" in outcome.summary
    assert outcome.stages[3].result is FAILED


def test_an_analyser_that_lacks_something_of_ours_is_no_pass_and_its_stage_failed(tmp_path: Path) -> None:
    outcome, _ = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "analyse": FakeAnalyser(raising(InfrastructureError("no history", code="history-gone"))),
        },
    )
    assert (outcome.verdict, only(outcome).code) == (Verdict.UNVERIFIED, "history-gone")
    assert outcome.stages[3].result is FAILED


def test_a_finding_of_an_analyser_does_not_make_its_stage_fail_whatever_its_code(tmp_path: Path) -> None:
    outcome, _ = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "analyse": FakeAnalyser(lambda _build, _execution: [Finding("plugin-failed", Severity.INFO, "a word")]),
        },
    )
    assert outcome.stages[3].result is OK


def test_a_publisher_that_breaks_stops_nobody_and_the_verdict_stays(tmp_path: Path) -> None:
    second = FakePublisher("https://second.example.org/")
    outcome, _ = run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "broken": FakePublisher(None, raising(InfrastructureError("server says 503"))),
            "worse": FakePublisher(None, raising(ValueError("a bug"))),
            "second": second,
            "nothing": FakePublisher(None),
        },
    )
    assert outcome.verdict is Verdict.SUCCESS
    assert [(finding.code, finding.severity) for finding in outcome.findings] == [
        ("publish-failed", Severity.WARNING)
    ] * 2
    assert [finding.plugin for finding in outcome.findings] == ["broken", "worse"]
    assert [publication.url for publication in outcome.publications] == ["https://second.example.org/"]
    assert outcome.stages[4].result is FAILED


def test_a_publisher_is_given_the_findings_heaviest_first_and_the_publications_before_it(tmp_path: Path) -> None:
    warning = Finding("warn", Severity.WARNING, "careful")
    last = FakePublisher("https://2.example.org/")
    run_job(
        tmp_path,
        {
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(),
            "analyse": FakeAnalyser(lambda _build, _execution: [warning, BAD]),
            "one": FakePublisher("https://1.example.org/"),
            "broken": FakePublisher(None, raising(ValueError("a bug"))),
            "two": last,
        },
    )
    (seen,) = last.seen
    assert [finding.code for finding in seen.findings] == ["bad", "warn", "publish-failed"]
    assert [publication.url for publication in seen.publications] == ["https://1.example.org/"]
    assert seen.verdict is Verdict.FAILURE


class Wrapper:
    def __init__(self, word: str) -> None:
        self.word = word

    @hookimpl
    def thcore_wrap_command(self, command: Command) -> Command:
        return evolve(command, argv=("env", f"SEEN={self.word}", *command.argv))


def test_wrappers_are_applied_in_the_order_of_the_job(tmp_path: Path) -> None:
    def execute(build: Any) -> Execution:
        result = build.run(Command(("sh", "-c", "echo $SEEN"), capture=True))
        return Execution(0, result.stdout.decode().strip())

    outcome, _ = run_job(
        tmp_path,
        {
            "outer": Wrapper("outer"),
            "checkout": FakeCheckout(),
            "execute": FakeExecutor(execute),
            "last": Wrapper("last"),
        },
    )
    # The last wrapper's env program is the one that is started; the first one's is nearest to the program.
    assert outcome.summary == "outer"


def test_a_wrapper_that_breaks_makes_the_build_unverified_and_nothing_is_started(tmp_path: Path) -> None:
    class Broken:
        @hookimpl
        def thcore_wrap_command(self) -> Command:
            raise OSError("no sandbox")

    started = tmp_path / "started"

    def execute(build: Any) -> Execution:
        build.run(Command(("touch", str(started))))
        return Execution(0)

    outcome, _ = run_job(tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor(execute), "sandbox": Broken()})
    assert outcome.verdict is Verdict.UNVERIFIED
    assert "plugin sandbox (local 0), thcore_wrap_command raised OSError: no sandbox" in outcome.summary
    assert not started.exists()


def test_a_listener_that_breaks_cannot_affect_the_build(tmp_path: Path) -> None:
    class Deaf(list[BuildEvent]):
        def append(self, _event: BuildEvent) -> None:
            raise OSError("nobody there")

    outcome, _ = run_job(tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor()}, events=Deaf())
    assert outcome.verdict is Verdict.SUCCESS


def test_every_kind_of_event_is_told() -> None:
    kinds = {kind.value for kind in BuildEventKind}
    assert kinds == {"started", "stage-started", "stage-ended", "progress", "page", "ended"}
