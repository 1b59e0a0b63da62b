"""What becomes of a build whose process dies: its outcome, its evidence, its things."""

from __future__ import annotations

import psutil
import pytest

from parts.puppet import Theatre, journal

pytestmark = pytest.mark.system

STAGES = ("checkout", "environment", "execute", "analyse")


@pytest.mark.parametrize("death", ["kill", pytest.param("segv", marks=pytest.mark.slow)])
@pytest.mark.parametrize("stage", STAGES)
def test_a_child_that_dies_leaves_an_outcome_a_publication_and_nothing_else(
    theatre: Theatre, stage: str, death: str
) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(**{f"DO_{stage.upper()}": death})

        assert build.wait() is None

        last = build.data[-1]
        signal = {"kill": "SIGKILL", "segv": "SIGSEGV"}[death]
        assert last["verdict"] == "UNVERIFIED"
        assert f"died in stage {stage}: killed by {signal}" in last["summary"]
        assert theatre.published() == [(build.unique, 1, "UNVERIFIED")]
        assert last["url"] == f"https://puppet.example.org/{build.unique}/1"
        theatre.wait_until(theatre.cleaned, "the cleanup")
        assert theatre.cleaned() == [(build.unique, 1)]
        theatre.wait_until(lambda: not list((worker.state / "work").iterdir()), "an empty work directory")
        theatre.wait_until(lambda: journal(worker, build)["attempts"][0]["ended"], "the end in the journal")
        (attempt,) = journal(worker, build)["attempts"]
        assert (attempt["verdict"], attempt["answered"]) == ("UNVERIFIED", True)


def test_a_child_that_dies_while_it_publishes_keeps_its_verdict(theatre: Theatre) -> None:
    with theatre.worker():
        build = theatre.launch(DO_PUBLISH="kill-once")

        assert build.wait() == "SUCCESS"

        assert theatre.published() == [(build.unique, 1, "SUCCESS")]
        assert build.url == f"https://puppet.example.org/{build.unique}/1"


def test_a_failure_is_still_one_when_the_publisher_takes_the_child_along(theatre: Theatre) -> None:
    with theatre.worker():
        build = theatre.launch(DO_EXECUTE="fail", DO_PUBLISH="segv-once")

        assert build.wait() == "FAILURE"

        assert theatre.published() == [(build.unique, 1, "FAILURE")]


def test_the_last_lines_of_the_log_say_what_the_child_was_at(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="kill")
        build.wait()

        kept = worker.state / "evidence" / build.unique / "1"
        assert "the puppet is at execute" in (kept / "result.json").read_text()
        assert "the puppet is at execute" in (kept / "console.log").read_text()


def test_a_child_that_is_deaf_to_a_cancel_is_killed(
    theatre: Theatre,
) -> None:
    with theatre.worker(kill_grace="500ms") as worker:
        build = theatre.launch(DO_EXECUTE="hang")
        theatre.wait_at("execute", build)
        (nursery,) = worker.nurseries()

        build.cancel()

        theatre.wait_until(lambda: build.ended, "the end of the hanging build")
        assert build.data[-1]["result"] == "ABORTED"
        assert nursery.is_running(), "the nursery died with the child"
        assert theatre.launch().wait() == "SUCCESS"


def test_a_program_that_the_dead_child_had_started_is_ended(theatre: Theatre) -> None:
    with theatre.worker():
        build = theatre.launch(DO_CHECKOUT="spawn", DO_EXECUTE="kill")
        build.wait()

        pid = int((theatre.flags / f"pid-{build.unique}").read_text())
        theatre.wait_until(lambda: not psutil.pid_exists(pid), "the end of the program")


def test_a_cancelled_build_whose_child_dies_is_not_published(theatre: Theatre) -> None:
    with theatre.worker(kill_grace="500ms"):
        build = theatre.launch(DO_EXECUTE="hang")
        theatre.wait_at("execute", build)

        build.cancel()
        theatre.wait_until(lambda: build.ended, "the end of the cancelled build")

        assert theatre.published() == []
