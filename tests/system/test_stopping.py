"""How a worker stops, and what becomes of the builds that run or arrive then."""

from __future__ import annotations

import signal
import threading

import psutil
import pytest

from thcore.testing.gearmand import Gearmand

from parts.puppet import Theatre

pytestmark = pytest.mark.system


def test_a_stop_that_comes_before_the_worker_is_up_is_not_lost(theatre: Theatre) -> None:
    worker = theatre.worker()
    thread = threading.Thread(target=worker.start)
    thread.start()
    theatre.wait_until((worker.state / "lock").exists, "the worker's first steps")

    worker.terminate()

    thread.join()
    assert worker.wait() == 0


def test_builds_that_arrive_while_the_worker_drains_are_left_to_others(theatre: Theatre) -> None:
    with theatre.worker("first") as first:
        running = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", running)
        first.terminate()
        first.wait_for("no new builds")
        with theatre.worker("second"):
            late = [theatre.launch() for _ in range(5)]
            assert [build.wait() for build in late] == ["SUCCESS"] * 5
            assert {build.manager for build in late} == {"second-under-test"}
            theatre.release("execute", running)
            assert running.wait() == "SUCCESS"
            assert running.manager == "first-under-test"
        assert first.wait() == 0


@pytest.mark.slow
def test_a_storm_of_builds_loses_none_when_the_worker_is_stopped_and_started(theatre: Theatre) -> None:
    builds = []
    for _ in range(4):
        with theatre.worker(slots=3) as worker:
            builds += [theatre.launch() for _ in range(15)]
            worker.terminate()  # whatever is grabbed, started, running or queued at this moment
            assert worker.wait() == 0
    with theatre.worker(slots=3):
        again = [build for build in builds if build.wait(60) is None]
        builds = [build for build in builds if build not in again]
        builds += [theatre.launch() for _ in again]
        assert {build.wait(60) for build in builds} == {"SUCCESS"}

    done = [build for build, _, verdict in theatre.published() if verdict == "SUCCESS"]
    assert sorted(done) == sorted(build.unique for build in builds), "a build was done twice, or not at all"


def test_a_build_that_outlasts_the_drain_timeout_is_handed_back(theatre: Theatre) -> None:
    with theatre.worker(drain_timeout="500ms") as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)

        worker.terminate()

        assert build.wait() is None
        assert "drain_timeout has passed" in build.data[-1]["summary"]
        assert worker.wait() == 75
        assert theatre.published() == []


def test_a_forced_stop_ends_builds_that_are_deaf(theatre: Theatre) -> None:
    with theatre.worker(kill_grace="300ms") as worker:
        builds = [theatre.launch(DO_EXECUTE="hang"), theatre.launch(DO_PUBLISH="hang")]
        theatre.wait_at("execute", builds[0])
        theatre.wait_at("publish", builds[1])
        processes = worker.processes()

        worker.terminate()
        worker.wait_for("no new builds")
        worker.process.send_signal(signal.SIGINT)

        assert [build.wait() for build in builds] == [None, None]
        assert worker.wait() == 75
        _, alive = psutil.wait_procs(processes, timeout=5)
        assert alive == []


def test_functions_are_withdrawn_when_the_worker_has_stopped(theatre: Theatre, gearmand: Gearmand) -> None:
    with theatre.worker() as worker:
        assert theatre.launch().wait() == "SUCCESS"
        worker.terminate()
        worker.wait()

    assert "worker-under-test" not in gearmand.workers()


def test_the_last_job_stops_the_worker_once_and_ends_nobody_elses_build(theatre: Theatre) -> None:
    plugins = {"puppet": {"directory": str(theatre.flags)}}
    last, play = {"name": "last", "shutdown_after": True, "plugins": plugins}, {"name": "play", "plugins": plugins}
    with theatre.worker(jobs=[last, play], slots=3) as worker:
        other = theatre.launch("play", DO_EXECUTE="wait")
        lasts = [theatre.launch("last", DO_EXECUTE="wait") for _ in range(2)]
        for build in (other, *lasts):
            theatre.wait_at("execute", build)

        for build in lasts:
            theatre.release("execute", build)
            assert build.wait() == "SUCCESS"
        worker.wait_for("worker_draining")
        theatre.release("execute", other)

        assert other.wait() == "SUCCESS"
        assert worker.wait() == 0


def test_a_cancel_reaches_a_build_that_waits_for_its_process(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        assert theatre.launch().wait() == "SUCCESS"
        (nursery,) = worker.nurseries()
        nursery.kill()
        build = theatre.launch(DO_EXECUTE="wait")
        build.wait_started()

        build.cancel()

        theatre.wait_until(lambda: build.ended, "the end of the cancelled build")
        assert build.data[-1]["result"] == "ABORTED"


def test_a_cancel_reaches_a_build_that_never_stops_talking(theatre: Theatre) -> None:
    with theatre.worker(kill_grace="500ms") as worker:
        talker = theatre.launch(DO_EXECUTE="talk")
        theatre.wait_at("execute", talker)

        talker.cancel()

        theatre.wait_until(lambda: talker.ended, "the end of the talker")
        assert talker.data[-1]["result"] == "ABORTED"
        assert worker.process.poll() is None
