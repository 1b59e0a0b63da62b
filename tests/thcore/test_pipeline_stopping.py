from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from thcore.model import BuildEvent, BuildEventKind, Command, Execution, Outcome, Severity, StageResult, Verdict
from thcore.process.interrupt import Interrupt
from thcore.testing import run_job
from thcore.testing.fakes import FakeAnalyser, FakeCheckout, FakeEnvironment, FakeExecutor, FakePublisher, raising

OK, FAILED, SKIPPED, STOPPED = StageResult.OK, StageResult.FAILED, StageResult.SKIPPED, StageResult.STOPPED


def results(outcome: Outcome) -> list[StageResult]:
    return [stage.result for stage in outcome.stages]


class Cancelling(list[BuildEvent]):
    """Cancels a build when it hears of some progress."""

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt

    def append(self, event: BuildEvent) -> None:
        super().append(event)
        if event.kind is BuildEventKind.STAGE_STARTED and event.stage == "execute":
            self.interrupt.cancel("Zuul asked for it")


def sleep(pids: Path) -> Any:
    def execute(build: Any) -> Execution:
        script = f"sleep 600 & echo $! $$ > {pids}; echo working; wait"
        build.run(Command(("sh", "-c", script)))
        return Execution(0)

    return execute


def gone(pids: Path) -> bool:
    alive = [int(pid) for pid in pids.read_text().split() if psutil.pid_exists(int(pid))]
    return not [pid for pid in alive if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.mark.system
def test_a_cancel_in_execute_ends_the_programs_and_skips_analyse_and_publish(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    analyse, publish = FakeAnalyser(), FakePublisher("https://logs.example.org/")

    with Interrupt() as interrupt:

        def execute(build: Any) -> Execution:
            script = f"sleep 600 & echo $! $$ > {pids}; echo working >&2; wait"
            with build.service(Command(("sh", "-c", script)), log=tmp_path / "service.log"):
                while not (pids.exists() and pids.read_text().endswith("\n")):
                    os.sched_yield()
                interrupt.cancel("Zuul asked for it")
                build.run(Command(("sleep", "600")))
            return Execution(0)

        began = time.monotonic()
        outcome, workspace = run_job(
            tmp_path,
            {"checkout": FakeCheckout(), "execute": FakeExecutor(execute), "analyse": analyse, "publish": publish},
            interrupt=interrupt,
        )
    assert time.monotonic() - began < 30
    assert (outcome.verdict, outcome.summary) == (Verdict.CANCELLED, "Cancelled: Zuul asked for it")
    assert results(outcome) == [OK, OK, STOPPED, SKIPPED, SKIPPED]
    assert not outcome.timed_out
    assert analyse.seen == []
    assert publish.seen == []
    assert outcome.publications == ()
    assert gone(pids)
    assert (workspace.artifacts / "result.json").exists()


@pytest.mark.system
def test_a_running_program_is_ended_by_a_cancel_from_elsewhere(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    with Interrupt() as interrupt:
        outcome, _ = run_job(
            tmp_path,
            {"checkout": FakeCheckout(), "execute": FakeExecutor(sleep(pids))},
            interrupt=interrupt,
            events=Cancelling(interrupt),
        )
    assert outcome.verdict is Verdict.CANCELLED
    assert not pids.exists() or gone(pids)


@pytest.mark.system
def test_time_that_runs_out_in_execute_is_the_changes_fault_and_is_published(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    analyse, publish = FakeAnalyser(), FakePublisher("https://logs.example.org/")
    outcome, workspace = run_job(
        tmp_path,
        {"checkout": FakeCheckout(), "execute": FakeExecutor(sleep(pids)), "analyse": analyse, "publish": publish},
        timeout_s=1.0,
    )
    assert outcome.verdict is Verdict.FAILURE
    assert outcome.timed_out
    assert results(outcome) == [OK, OK, STOPPED, OK, OK]
    (found,) = outcome.findings
    assert (found.code, found.severity) == ("build-timed-out", Severity.FAILURE)
    assert "in stage execute" in found.message
    assert "working" in found.evidence, "the last lines of output say what was running"
    assert len(analyse.seen) == len(publish.seen) == 1
    assert outcome.publications
    assert gone(pids)
    assert "working" in workspace.log.read_text()


@pytest.mark.parametrize("stage", ["checkout", "environment"])
def test_time_that_runs_out_before_the_changes_own_code_runs_is_ours(tmp_path: Path, stage: str) -> None:
    def wait(build: Any) -> Any:
        build.run(Command(("sleep", "600")))

    plugins: dict[str, Any] = {"checkout": FakeCheckout(), "environment": FakeEnvironment(), "execute": FakeExecutor()}
    plugins[stage] = type(plugins[stage])(wait)
    outcome, _ = run_job(tmp_path, plugins, timeout_s=0.3)
    assert outcome.verdict is Verdict.UNVERIFIED
    assert outcome.timed_out
    assert outcome.findings[0].code == "build-timed-out"
    assert f"in stage {stage}" in outcome.summary


def test_a_cancel_before_the_first_stage_starts_nothing(tmp_path: Path) -> None:
    with Interrupt() as interrupt:
        interrupt.cancel("too late")
        checkout = FakeCheckout()
        outcome, _ = run_job(tmp_path, {"checkout": checkout, "execute": FakeExecutor()}, interrupt=interrupt)
    assert checkout.changes == []
    assert (outcome.verdict, results(outcome)) == (
        Verdict.CANCELLED,
        [STOPPED, SKIPPED, SKIPPED, SKIPPED, SKIPPED],
    )


def test_an_execution_that_answers_after_its_time_is_over_does_not_pass(tmp_path: Path) -> None:
    with Interrupt(deadline=time.monotonic() + 0.2) as interrupt:

        def execute(build: Any) -> Execution:
            while build.remaining_s() > 0:
                os.sched_yield()
            return Execution(0, "done")

        outcome, _ = run_job(
            tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor(execute)}, interrupt=interrupt
        )
    assert (outcome.verdict, outcome.timed_out) == (Verdict.FAILURE, True)


@pytest.mark.parametrize("stage", ["analyse", "publish"])
def test_a_cancel_while_analysing_or_publishing_is_a_cancel(tmp_path: Path, stage: str) -> None:
    later = FakePublisher("https://logs.example.org/")
    with Interrupt() as interrupt:

        def act(build: Any, _other: object) -> Any:
            interrupt.cancel("Ctrl-C")
            build.run(Command(("sleep", "600")))

        plugins: dict[str, Any] = {"checkout": FakeCheckout(), "execute": FakeExecutor()}
        plugins["first"] = FakeAnalyser(act) if stage == "analyse" else FakePublisher(None, act)
        began = time.monotonic()
        outcome, _ = run_job(tmp_path, plugins | {"later": later}, interrupt=interrupt)
    assert time.monotonic() - began < 30
    assert (outcome.verdict, outcome.summary) == (Verdict.CANCELLED, "Cancelled: Ctrl-C")
    assert later.seen == []
    expected = [STOPPED, SKIPPED] if stage == "analyse" else [OK, STOPPED]
    assert results(outcome) == [OK, OK, OK, *expected]


def test_an_error_of_a_stage_that_is_told_to_end_is_no_verdict_on_the_change(tmp_path: Path) -> None:
    with Interrupt() as interrupt:

        def execute(_build: Any) -> Execution:
            interrupt.cancel("stop")
            raise ValueError("because it was stopped")

        outcome, _ = run_job(
            tmp_path, {"checkout": FakeCheckout(), "execute": FakeExecutor(execute)}, interrupt=interrupt
        )
    assert outcome.verdict is Verdict.CANCELLED


def test_nothing_is_analysed_after_a_cancel_even_if_the_analyser_would_break(tmp_path: Path) -> None:
    with Interrupt() as interrupt:
        interrupt.cancel("stop")
        outcome, _ = run_job(
            tmp_path,
            {
                "checkout": FakeCheckout(),
                "execute": FakeExecutor(),
                "analyse": FakeAnalyser(raising(AssertionError("called"))),
            },
            interrupt=interrupt,
        )
    assert outcome.findings == ()
