"""SIGHUP: the configuration is read again, for new builds."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import yaml

from parts.gearmand import Gearmand
from parts.puppet import Theatre
from parts.worker import Worker

pytestmark = pytest.mark.system


def rewrite(worker: Worker, **changes: Any) -> None:
    content = yaml.safe_load(worker.configuration.read_text())
    worker.configuration.write_text(yaml.safe_dump({**content, **changes}))


def reload(worker: Worker, said: str = "config_reloaded") -> str:
    worker.process.send_signal(signal.SIGHUP)
    return worker.wait_for(said)


def jobs(theatre: Theatre, *names: str, word: str = "") -> list[dict[str, Any]]:
    plugins = {"puppet": {"directory": str(theatre.flags), "word": word}}
    return [{"name": name, "plugins": plugins} for name in names]


def test_new_jobs_are_offered_and_gone_ones_withdrawn_each_once(theatre: Theatre, gearmand: Gearmand) -> None:
    with theatre.worker() as worker:
        assert gearmand.offered("worker-under-test", ["build:play", "build:short"]) == ["build:play", "build:short"]

        rewrite(worker, jobs=jobs(theatre, "play", "other"))
        reload(worker)

        assert gearmand.offered("worker-under-test", ["build:other", "build:play"]) == ["build:other", "build:play"]
        assert theatre.launch("other").wait() == "SUCCESS"
        assert theatre.launch("play").wait() == "SUCCESS"


def test_a_build_that_runs_stays_with_the_configuration_that_it_began_with(theatre: Theatre) -> None:
    with theatre.worker(jobs=jobs(theatre, "play", word="old")) as worker:
        running = theatre.launch(DO_CHECKOUT="wait")
        theatre.wait_at("checkout", running)

        rewrite(worker, jobs=jobs(theatre, "play", word="new"))
        reload(worker)
        after = theatre.launch()
        assert after.wait() == "SUCCESS"
        assert after.data[-1]["summary"] == "new"
        theatre.release("checkout", running)

        assert running.wait() == "SUCCESS"
        assert running.data[-1]["summary"] == "old"


def test_a_bad_file_keeps_the_old_configuration_and_every_problem_is_told(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        before = worker.configuration.read_text()
        rewrite(worker, slotz=3, jobs=[{"name": "play", "plugins": {"puppet": {"directry": "x"}}}])

        line = reload(worker, "config_rejected")

        assert "slotz: unknown key" in line
        assert theatre.launch().wait() == "SUCCESS"
        worker.configuration.write_text("{")
        reload(worker, "config_rejected")
        worker.configuration.unlink()
        reload(worker, "config_rejected")
        assert theatre.launch().wait() == "SUCCESS"
        worker.configuration.write_text(before)
        reload(worker)
        assert theatre.launch().wait() == "SUCCESS"


def test_a_reload_adds_slots(theatre: Theatre) -> None:
    with theatre.worker(slots=1) as worker:
        rewrite(worker, slots=3)
        reload(worker)

        builds = [theatre.launch(DO_EXECUTE="wait") for _ in range(3)]

        for build in builds:
            theatre.wait_at("execute", build)
        (theatre.flags / "go").touch()
        assert {build.wait() for build in builds} == {"SUCCESS"}


def test_a_reload_takes_slots_away(theatre: Theatre) -> None:
    with theatre.worker(slots=3) as worker:
        rewrite(worker, slots=1)
        reload(worker)
        first = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", first)

        second = theatre.launch()

        assert not second.ended
        (theatre.flags / "go").touch()
        assert {first.wait(), second.wait()} == {"SUCCESS"}
        assert second.started_at is not None
        assert first.packets[-1].at <= second.started_at, "two builds ran at once"


def test_what_cannot_change_is_said_and_the_rest_is_taken(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        rewrite(worker, jobs=jobs(theatre, "other"), directories={"state": str(theatre.directory / "elsewhere")})

        line = reload(worker, "a change takes a restart")

        assert "directories: " in line
        worker.wait_for("config_reloaded")
        assert theatre.launch("other").wait() == "SUCCESS"
        assert not (theatre.directory / "elsewhere").exists()


def test_a_storm_of_reloads_loses_no_build(theatre: Theatre) -> None:
    with theatre.worker(slots=3) as worker:
        builds = []
        for _ in range(5):
            worker.process.send_signal(signal.SIGHUP)
            builds += [theatre.launch() for _ in range(10)]
        assert {build.wait(60) for build in builds} == {"SUCCESS"}
        for _ in range(5):
            worker.wait_for("config_reloaded")
        nurseries = [p for p in worker.processes() if p.ppid() == worker.pid]
        theatre.wait_until(
            lambda: sum(p.is_running() and p.status() != "zombie" for p in nurseries) <= 1, "the end of old nurseries"
        )
