"""What becomes of builds when the worker itself is killed."""

from __future__ import annotations

import psutil
import pytest

from parts.puppet import Theatre, journal
from parts.worker import Worker

pytestmark = pytest.mark.system


def kill(worker: Worker) -> None:
    """SIGKILL to the worker alone: its nursery and children see it go."""
    worker.process.kill()
    worker.wait()


@pytest.mark.parametrize(
    "stage", ["execute", *(pytest.param(stage, marks=pytest.mark.slow) for stage in ("checkout", "publish"))]
)
def test_the_build_of_a_killed_worker_is_done_by_the_next_one(theatre: Theatre, stage: str) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(**{f"DO_{stage.upper()}": "wait"})
        theatre.wait_at(stage, build)
        worker.kill_all()

    with theatre.worker() as worker:
        theatre.wait_at(stage, build, 2)
        (theatre.flags / "go").touch()

        assert build.wait() == "SUCCESS"

        theatre.wait_until(lambda: len(journal(worker, build)["attempts"]) == 2, "the second attempt in the journal")
        lost, done = journal(worker, build)["attempts"]
        assert (lost["verdict"], lost["answered"]) == ("LOST", False)
        theatre.wait_until(
            lambda: journal(worker, build)["attempts"][1]["verdict"] == "SUCCESS", "the end in the journal"
        )
        assert done["attempt"] == 2
        assert (build.unique, 2, "SUCCESS") in theatre.published()
        both = {(build.unique, 1), (build.unique, 2)}
        theatre.wait_until(lambda: set(theatre.cleaned()) == both, "the cleanup after both")


def test_what_a_killed_worker_had_found_out_is_published(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        worker.kill_all()
    (theatre.flags / "away").touch()

    with theatre.worker() as worker:
        log = worker.state / "spool" / f"{build.unique}-1" / "artifacts" / "console.log"
        assert "the puppet is at execute" in log.read_text()
        theatre.wait_at("execute", build, 2)
        (theatre.flags / "go").touch()
        build.wait()


def test_the_children_of_a_killed_worker_end_by_themselves(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_CHECKOUT="spawn", DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        processes = [*worker.processes(), psutil.Process(int((theatre.flags / f"pid-{build.unique}").read_text()))]

        kill(worker)

        _, alive = psutil.wait_procs(processes, timeout=15)
        assert alive == []


def test_an_attempt_that_was_answered_keeps_its_verdict_and_its_page(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(unique="0" * 31 + "1", DO_EXECUTE="wait")
        hold = theatre.flags / f"hold-{build.unique}"
        hold.touch()
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"
        theatre.wait_at("cleanup", build)
        worker.kill_all()
    hold.unlink()

    with theatre.worker() as worker:
        (attempt,) = journal(worker, build)["attempts"]
        assert (attempt["verdict"], attempt["ended"]) == ("SUCCESS", True)
        assert theatre.launch().wait() == "SUCCESS"

    assert [row for row in theatre.published() if row[0] == build.unique] == [(build.unique, 1, "SUCCESS")]
    assert theatre.cleaned().count((build.unique, 1)) == 1
