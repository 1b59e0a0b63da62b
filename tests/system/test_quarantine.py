"""A build that takes its worker along again and again is put aside with its evidence."""

from __future__ import annotations

import pytest

from parts.puppet import Theatre, journal

pytestmark = pytest.mark.system

UNIQUE = "0123456789abcdef0123456789abcdef"


def test_a_poisonous_build_is_quarantined_with_the_evidence_of_each_attempt(theatre: Theatre) -> None:
    with theatre.worker(max_attempts=3) as worker:
        for _ in range(3):
            assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() is None

        fourth = theatre.launch(unique=UNIQUE, DO_EXECUTE="kill")

        assert fourth.wait() == "QUARANTINED"
        assert "delivered 3 times before" in fourth.data[-1]["summary"]
        document = journal(worker, fourth)
        assert "delivered 3 times before" in document["quarantined"]
        assert [attempt["verdict"] for attempt in document["attempts"]] == ["UNVERIFIED"] * 3
        for attempt in (1, 2, 3):
            kept = worker.state / "evidence" / UNIQUE / str(attempt)
            assert "build-process-died" in (kept / "result.json").read_text()
            assert "the puppet is at execute" in (kept / "console.log").read_text()
        assert [attempt for _, attempt, _ in theatre.published()] == [1, 2, 3]


def test_a_build_that_killed_its_worker_each_time_is_not_tried_for_ever(theatre: Theatre) -> None:
    """gearmand delivers the build of a dead worker again, to the next one: it never asks Zuul."""
    build = None
    for attempt in (1, 2):
        with theatre.worker(max_attempts=2) as worker:
            build = build or theatre.launch(DO_EXECUTE="wait")
            theatre.wait_at("execute", build, attempt)
            worker.kill_all()

    with theatre.worker(max_attempts=2) as worker:
        assert build is not None
        assert build.wait() == "QUARANTINED"
        assert [attempt["verdict"] for attempt in journal(worker, build)["attempts"]] == ["LOST", "LOST"]


def test_evidence_of_earlier_attempts_goes_when_the_build_has_a_result(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill-once").wait() is None
        assert (worker.state / "evidence" / UNIQUE).is_dir()

        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill-once").wait() == "SUCCESS"

        theatre.wait_until(lambda: not (worker.state / "evidence" / UNIQUE).exists(), "the end of the evidence")
