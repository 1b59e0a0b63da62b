"""What can be seen of a worker: with ``thcore status``, over HTTP, and by Prometheus."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
from collections.abc import Iterator
from typing import Any

import gear
import pytest
from attrs import frozen
from prometheus_client.parser import text_string_to_metric_families

from thcore.errors import ExitCode
from thcore.gearman.packet import packet
from thcore.testing.gearmand import Gearmand
from thcore.testing.ports import free_port

from parts.puppet import Theatre
from parts.wire import Wire
from parts.worker import Worker
from parts.zuul import Zuul

pytestmark = [pytest.mark.system, pytest.mark.measured]

UNIQUE = "0123456789abcdef0123456789abcdef"
MORE_THAN_THERE_IS = "1000000TiB"


def status(worker: Worker) -> tuple[int, dict[str, Any]]:
    """Exit code and document of ``thcore status``."""
    done = worker.command("status", "--json")
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, document


@frozen
class Site:
    """A worker that is seen over HTTP."""

    worker: Worker
    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Status and content of an answer."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def ready(self) -> bool:
        return self.get("/ready")[0] == 200


@contextlib.contextmanager
def serving(theatre: Theatre, **configuration: Any) -> Iterator[Site]:
    port = free_port()
    with theatre.worker(web={"listen": f"127.0.0.1:{port}"}, **configuration) as worker:
        yield Site(worker, port)


def test_a_build_that_runs_is_seen_with_its_stage_its_change_and_its_age(theatre: Theatre, gearmand: Gearmand) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)

        code, seen = status(worker)

        assert (code, seen["ready"], seen["phase"], seen["slots"]) == (ExitCode.SUCCESS, True, "serving", 2)
        (running,) = seen["builds"]
        assert (running["build"], running["job"], running["attempt"]) == (build.unique, "play", 1)
        assert (running["stage"], running["change"]) == ("execute", "demo/app 12345,2")
        assert running["age_s"] > 0
        assert [(server["address"], server["connected"]) for server in seen["servers"]] == [(gearmand.address, True)]
        assert seen["pid"] == worker.pid
        _, later = status(worker)
        assert later["builds"][0]["age_s"] > running["age_s"]
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"


def test_builds_that_have_ended_are_seen_latest_first_with_their_pages(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        good, bad = theatre.launch(), None
        assert good.wait() == "SUCCESS"
        bad = theatre.launch(DO_EXECUTE="fail")
        assert bad.wait() == "FAILURE"
        theatre.wait_until(lambda: len(status(worker)[1]["last"]) == 2, "both outcomes")

        _, seen = status(worker)

        assert seen["builds"] == []
        assert [(last["build"], last["verdict"]) for last in seen["last"]] == [
            (bad.unique, "FAILURE"),
            (good.unique, "SUCCESS"),
        ]
        assert seen["last"][1]["url"] == f"https://puppet.example.org/{good.unique}/1"


def test_a_worker_that_is_paused_says_why_and_that_it_is_not_ready(theatre: Theatre) -> None:
    with serving(theatre) as site:
        worker = site.worker
        worker.rewrite(free_space=MORE_THAN_THERE_IS)
        worker.process.send_signal(signal.SIGHUP)
        worker.wait_for("worker_paused")

        code, seen = status(worker)

        assert (code, seen["ready"], seen["phase"]) == (ExitCode.NOT_READY, False, "paused")
        assert {reason.split(" has ")[0] for reason in seen["reasons"]} == {
            f"{worker.state} (state)",
            f"{worker.state / 'work'} (work)",
        }
        assert "less than free_space" in seen["not_ready"][0]
        assert {disk["purpose"] for disk in seen["disks"] if disk["problem"]} == {"state", "work"}
        assert site.get("/ready") == (503, "".join(f"{reason}\n" for reason in seen["reasons"]))
        assert site.get("/live")[0] == 200

        worker.rewrite(free_space="1MiB")
        worker.process.send_signal(signal.SIGHUP)
        worker.wait_for("worker_resumed")
        theatre.wait_until(site.ready, "a worker that takes builds again")
        assert status(worker)[0] == ExitCode.SUCCESS


def test_evidence_in_the_spool_is_seen_with_its_age_and_why_it_waits(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker() as worker:
        assert theatre.launch().wait() == "SUCCESS"
        worker.wait_for("its evidence is not published yet")

        code, seen = status(worker)

        assert code == ExitCode.SUCCESS, "builds are taken meanwhile"
        assert (seen["spool"]["count"], seen["spool"]["problem"]) == (1, "the puppet's target is away")
        assert seen["spool"]["oldest_s"] > 0
        assert "results are kept in the spool: the puppet's target is away" in seen["warnings"]


def test_builds_in_quarantine_are_counted(theatre: Theatre) -> None:
    with theatre.worker(max_attempts=1) as worker:
        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() is None
        assert theatre.launch(unique=UNIQUE).wait() == "QUARANTINED"

        code, seen = status(worker)

        assert (code, seen["quarantine"], seen["refused"]) == (ExitCode.SUCCESS, 1, 1)
        assert "1 build is in quarantine; see thcore builds" in seen["warnings"]


def test_a_worker_that_drains_is_not_ready_and_shows_what_it_finishes(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        worker.terminate()
        worker.wait_for("worker_draining")

        code, seen = status(worker)

        assert (code, seen["phase"]) == (ExitCode.NOT_READY, "draining")
        assert [running["build"] for running in seen["builds"]] == [build.unique]
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"
        assert worker.wait() == 0
        assert not (worker.state / "status.sock").exists()
        gone = worker.command("status", "--json")
        assert (gone.returncode, gone.stdout) == (ExitCode.UNAVAILABLE, "")
        assert "no worker answers" in gone.stderr


def test_a_worker_without_its_server_is_alive_and_not_ready_until_it_is_back(
    theatre: Theatre, gearmand: Gearmand
) -> None:
    with serving(theatre) as site:
        assert site.get("/live") == (200, "alive\n")
        assert site.get("/ready") == (200, "ready\n")

        gearmand.stop()
        site.worker.wait_for("link_lost")
        theatre.wait_until(lambda: not site.ready(), "a worker that is not ready")

        code, words = site.get("/ready")
        assert code == 503
        assert f"no Gearman server is connected: {gearmand.address} (" in words
        assert site.get("/live")[0] == 200
        assert status(site.worker)[0] == ExitCode.NOT_READY

        gearmand.start()
        theatre.wait_until(site.ready, "a worker that is ready again", timeout=60)
        theatre.zuul.wait_connected()
        assert theatre.launch().wait() == "SUCCESS"


def test_a_worker_that_is_alive_but_forgotten_by_its_server_is_not_ready(theatre: Theatre, gearmand: Gearmand) -> None:
    port = free_port()
    with Wire(gearmand.port) as wire:
        worker = theatre.worker(
            # The server is asked every two seconds.
            gearman={"servers": [wire.address], "name": "worker-under-test", "silence": "6s"},
            web={"listen": f"127.0.0.1:{port}"},
        )
        with worker:
            site = Site(worker, port)
            assert gearmand.offered("worker-under-test", ["build:play", "build:short"]) == ["build:play", "build:short"]
            assert site.ready()

            wire.say(packet(gear.constants.CANT_DO, b"build:play"))

            told = worker.wait_for("link_deaf")
            assert f"{wire.address} does not list build:play for worker-under-test" in told
            theatre.wait_until(lambda: not site.ready(), "a worker that is not ready")
            code, words = site.get("/ready")
            assert code == 503
            assert f"{wire.address}: does not list build:play" in words
            assert site.get("/live")[0] == 200
            assert status(worker)[0] == ExitCode.NOT_READY
            assert _samples(site)["thcore_link_registered", wire.address] == 0

            wire.cut()
            theatre.wait_until(site.ready, "a worker that is known again", timeout=60)


def _samples(site: Site) -> dict[tuple[str, ...], float]:
    """Every sample of ours by its name and the values of its labels."""
    code, text = site.get("/metrics")
    assert code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_can_count_builds_by_their_verdicts(theatre: Theatre, zuul: Zuul) -> None:
    with serving(theatre) as site:
        assert _samples(site)["thcore_builds_total", "play", "SUCCESS"] == 0
        for what in ("", "", "fail", "raise"):
            theatre.launch(DO_EXECUTE=what).wait()
        zuul.launch("play", raw=b"no JSON").wait()
        waiting = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", waiting)
        ended = {"SUCCESS": 2, "FAILURE": 1, "UNVERIFIED": 1, "CANCELLED": 0}

        def counted() -> bool:
            found = _samples(site)
            told = all(found["thcore_builds_total", "play", verdict] == n for verdict, n in ended.items())
            return told and found["thcore_slots_busy",] == 1  # the one before is put away

        theatre.wait_until(counted, "all builds in the metrics")
        found = _samples(site)
        assert found["thcore_refused_builds_total", "invalid_arguments"] == 1
        assert (found["thcore_slots",], found["thcore_ready",]) == (2, 1)
        assert found["thcore_build_duration_seconds_count", "play"] == 4
        assert found["thcore_stage_duration_seconds_count", "checkout"] == 4
        theatre.release("execute", waiting)
        assert waiting.wait() == "SUCCESS"


def test_the_page_shows_builds_and_what_others_have_written_is_text(theatre: Theatre) -> None:
    job, branch, word = "<i>play", "<b>bold</b>", "<script>alert(1)</script>"
    plugins = {"puppet": {"directory": str(theatre.flags), "word": word}}
    names = ("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_CHANGES", "ZUUL_CHANGE_IDS", "ZUUL_URL")
    timer: dict[str, Any] = dict.fromkeys(names)
    with serving(theatre, jobs=[{"name": job, "plugins": plugins}]) as site:
        assert theatre.launch(job, **timer, ZUUL_BRANCH=branch).wait() == "SUCCESS"
        build = theatre.launch(job, **timer, ZUUL_BRANCH=branch, DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        theatre.wait_until(lambda: status(site.worker)[1]["last"], "the outcome")

        code, page = site.get("/")

        assert code == 200
        assert build.unique in page
        assert "execute" in page
        for hostile, escaped in (
            (job, "&lt;i&gt;play"),
            (branch, "demo/app &lt;b&gt;bold&lt;/b&gt;"),
            (word, "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ):
            assert escaped in page
            assert hostile not in page
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"
