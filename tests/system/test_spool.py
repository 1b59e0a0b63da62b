"""A target that does not take evidence costs a retry, never the evidence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts.puppet import Theatre
from parts.worker import Worker

pytestmark = [pytest.mark.system, pytest.mark.measured]


def waiting(worker: Worker) -> list[str]:
    return sorted(path.name for path in (worker.state / "spool").iterdir())


def spooled(worker: Worker) -> dict[str, Any]:
    (name,) = waiting(worker)
    entry: dict[str, Any] = json.loads((worker.state / "spool" / name / "entry.json").read_text())
    return entry


def test_a_build_is_answered_while_its_target_is_away_and_published_when_it_is_back(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker() as worker:
        build = theatre.launch()

        assert build.wait() == "SUCCESS"

        entry = spooled(worker)
        assert entry["publishers"] == ["puppet"]
        assert entry["problem"] == "the puppet's target is away"
        log = worker.state / "spool" / f"{build.unique}-1" / "artifacts" / "console.log"
        assert "the puppet is at execute" in log.read_text()
        theatre.wait_until(lambda: not list((worker.state / "work").iterdir()), "an empty work directory")
        worker.wait_for("its evidence is not published yet")
        assert theatre.published() == []

        (theatre.flags / "away").unlink()

        theatre.wait_until(theatre.published, "the publication", timeout=60)
        assert theatre.published() == [(build.unique, 1, "SUCCESS")]
        theatre.wait_until(lambda: not waiting(worker), "an empty spool")


def test_what_waits_is_published_by_the_next_worker(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="fail")
        assert build.wait() == "FAILURE"
        worker.process.kill()
        worker.wait()
    (theatre.flags / "away").unlink()

    with theatre.worker() as worker:
        theatre.wait_until(theatre.published, "the publication")
        theatre.wait_until(lambda: not waiting(worker), "an empty spool")

    assert theatre.published() == [(build.unique, 1, "FAILURE")]


def test_a_publisher_that_kills_its_process_stops_neither_builds_nor_worker(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_PUBLISH="kill")

        assert build.wait() == "SUCCESS"

        worker.wait_for("its evidence is not published yet: the process that published it died")
        assert theatre.launch().wait() == "SUCCESS"
        assert waiting(worker) == [f"{build.unique}-1"]


def test_evidence_of_a_cancelled_build_does_not_wait(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        build.cancel()
        theatre.wait_until(lambda: build.ended, "the end")

        assert waiting(worker) == []


def test_stopping_does_not_wait_for_a_target_that_is_away(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker() as worker:
        assert theatre.launch().wait() == "SUCCESS"
        worker.wait_for("its evidence is not published yet")

        worker.terminate()

        assert worker.wait(20) == 0
        assert len(waiting(worker)) == 1
