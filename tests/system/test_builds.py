"""``thcore builds``: what a real worker has told the history, and what is in its quarantine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from thcore.errors import ExitCode
from thcore.history import database
from thcore.testing.gearmand import Gearmand
from thcore.testing.postgresql import PostgreSQL

from parts.history import counted
from parts.puppet import Theatre
from parts.worker import Worker

pytestmark = pytest.mark.system

UNIQUE = "0123456789abcdef0123456789abcdef"


def asked(worker: Worker, *arguments: str) -> Any:
    """What ``thcore builds ... --json`` answers."""
    done = worker.command("builds", *arguments, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def verdicts(worker: Worker) -> list[tuple[str, int, str, str]]:
    """Build, attempt, verdict, and whether Zuul was answered, of everything in the list."""
    return [(entry["build"], entry["attempt"], entry["verdict"], entry["answered"]) for entry in asked(worker, "list")]


def wait_for(theatre: Theatre, worker: Worker, number: int, history: str | None = None) -> None:
    """Wait until the history has so many attempts: it is told after Zuul. It is ``history``, or the worker's own."""
    url = make_url(history) if history else URL.create("sqlite", database=str(worker.state / database.FILE))
    theatre.wait_until(lambda: counted(url)["attempts"] >= number, f"{number} attempts in the history")


def test_builds_of_every_verdict_are_listed_and_shown_whether_the_worker_runs_or_not(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        good = theatre.launch()
        assert good.wait() == "SUCCESS"
        bad = theatre.launch(DO_EXECUTE="fail")
        assert bad.wait() == "FAILURE"
        unsure = theatre.launch(DO_EXECUTE="raise")
        assert unsure.wait() is None
        unwanted = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", unwanted)
        unwanted.cancel()
        theatre.wait_until(lambda: unwanted.ended, "the end of the cancelled build")
        wait_for(theatre, worker, 4)

        expected = [
            (unwanted.unique, 1, "CANCELLED", "yes"),
            (unsure.unique, 1, "UNVERIFIED", "yes"),
            (bad.unique, 1, "FAILURE", "yes"),
            (good.unique, 1, "SUCCESS", "yes"),
        ]
        assert verdicts(worker) == expected
        (shown,) = asked(worker, "show", bad.unique[:12])
        assert (shown["verdict"], shown["worker"]) == ("FAILURE", "worker-under-test")
        assert (shown["project"], shown["change"]) == ("demo/app", "demo/app 12345,2")
        assert shown["url"] == f"https://puppet.example.org/{bad.unique}/1"
        assert {stage["name"]: stage["result"] for stage in shown["stages"]}["execute"] == "failed"
        (shown,) = asked(worker, "show", good.unique)
        assert [(stage["name"], stage["result"]) for stage in shown["stages"]] == [
            (name, "ok") for name in ("checkout", "environment", "execute", "analyse", "publish")
        ]

    assert verdicts(worker) == expected
    assert [entry["build"] for entry in asked(worker, "list", "--verdict", "failure")] == [bad.unique]
    assert asked(worker, "show", good.unique) == [shown]


def test_a_build_is_published_with_what_became_of_its_job_before(theatre: Theatre) -> None:
    logs = theatre.directory / "logs"
    with theatre.worker(defaults={"plugins": {"publish_local": {"path": str(logs)}}}) as worker:
        before = theatre.launch(unique="b" * 32, DO_EXECUTE="fail")
        assert before.wait() == "FAILURE"
        wait_for(theatre, worker, 1)
        assert theatre.launch(unique="c" * 32).wait() == "SUCCESS"

    page = next(logs.rglob(f"{'c' * 7}/history.html")).read_text()
    for told in (page, (logs / "jobs" / "play.html").read_text()):
        assert told.count('<tr><td class="build">') == 2
        assert f"{'b' * 7}/index.html" in told


def test_a_build_whose_worker_was_killed_has_two_attempts(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        worker.process.kill()
        worker.wait()

    with theatre.worker() as worker:
        theatre.wait_at("execute", build, 2)
        (theatre.flags / "go").touch()
        assert build.wait() == "SUCCESS"
        wait_for(theatre, worker, 2)

    lost, done = asked(worker, "show", build.unique)
    assert (lost["attempt"], lost["verdict"], lost["answered"]) == (1, "UNVERIFIED", "unknown")
    assert lost["findings"][0]["code"] == "worker-died"
    assert (done["attempt"], done["verdict"], done["answered"]) == (2, "SUCCESS", "yes")


def quarantined(theatre: Theatre, worker: Worker) -> None:
    """Have a build in the quarantine of a worker with ``max_attempts: 2``."""
    for _ in range(2):
        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() is None
    assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() == "QUARANTINED"
    wait_for(theatre, worker, 2)


def test_a_build_in_quarantine_is_listed_with_why_and_shown_with_its_evidence(theatre: Theatre) -> None:
    with theatre.worker(max_attempts=2) as worker:
        assert asked(worker, "list", "--quarantined") == []
        quarantined(theatre, worker)

    (entry,) = asked(worker, "list", "--quarantined")
    assert entry["request"]["id"] == UNIQUE
    assert entry["quarantined"] == "it was delivered 2 times before; it is not tried again"
    shown = worker.command("builds", "show", UNIQUE)
    assert shown.returncode == 0, shown.stderr
    assert f"QUARANTINED {UNIQUE}" in shown.stdout
    for attempt in (1, 2):
        place = worker.state / "evidence" / UNIQUE / str(attempt)
        assert f"evidence: {place}\n" in shown.stdout
        assert "the puppet is at execute" in (place / "console.log").read_text()


@pytest.mark.parametrize("options", [(), ("--no-follow",)], ids=["followed", "left"])
def test_a_build_in_quarantine_is_tried_again_under_its_own_id(theatre: Theatre, options: tuple[str, ...]) -> None:
    logs = theatre.directory / "logs"
    defaults = {"plugins": {"publish_local": {"path": str(logs), "url": "https://logs.example.org/"}}}
    with theatre.worker(max_attempts=2, defaults=defaults) as worker:
        poison = {"DO_CHECKOUT": "kill-once", "DO_EXECUTE": "kill-once"}  # the third attempt would be well
        for _ in range(2):
            assert theatre.launch(unique=UNIQUE, **poison).wait() is None
        assert theatre.launch(unique=UNIQUE, **poison).wait() == "QUARANTINED"

        done = worker.command("builds", "retry", UNIQUE[:8], *options)

        assert done.returncode == ExitCode.SUCCESS, done.stderr
        if options:
            assert done.stdout == f"{UNIQUE}\n"
        else:
            assert f"Evidence: https://logs.example.org/45/12345/2/check/play/{UNIQUE[:7]}/" in done.stderr
        wait_for(theatre, worker, 3)
        assert verdicts(worker)[0] == (UNIQUE, 3, "SUCCESS", "yes")
        assert theatre.published()[-1] == (UNIQUE, 3, "SUCCESS")
        (page,) = logs.rglob("result.json")
        assert {"build": UNIQUE, "attempt": 3, "verdict": "SUCCESS"}.items() <= json.loads(page.read_text()).items()
        assert asked(worker, "list", "--quarantined") == []
        assert "QUARANTINED" not in worker.command("builds", "show", UNIQUE).stdout
        assert theatre.launch(unique=UNIQUE).wait() == "SUCCESS", "it was in quarantine still"


def test_a_build_that_is_as_poisonous_as_before_ends_in_quarantine_again(theatre: Theatre) -> None:
    with theatre.worker(max_attempts=2) as worker:
        quarantined(theatre, worker)

        done = worker.command("builds", "retry", UNIQUE)

        assert done.returncode == ExitCode.UNVERIFIED
        assert asked(worker, "list", "--quarantined") == []
        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() is None
        assert theatre.launch(unique=UNIQUE, DO_EXECUTE="kill").wait() == "QUARANTINED"
        (entry,) = asked(worker, "list", "--quarantined")
        assert [attempt["attempt"] for attempt in entry["attempts"]] == [1, 2, 3, 4]


def test_a_retry_of_a_build_that_is_not_in_quarantine_is_refused_in_words(theatre: Theatre) -> None:
    with theatre.worker() as worker:
        build = theatre.launch()
        assert build.wait() == "SUCCESS"

        for text in ("ffffffff", build.unique):
            done = worker.command("builds", "retry", text)
            assert done.returncode == ExitCode.USAGE
            assert f"no build '{text}' is in quarantine" in " ".join(done.stderr.split())


def test_a_retry_while_no_server_answers_leaves_the_build_in_quarantine(theatre: Theatre, gearmand: Gearmand) -> None:
    with theatre.worker(max_attempts=2) as worker:
        quarantined(theatre, worker)
    gearmand.stop()

    done = worker.command("builds", "retry", UNIQUE)

    assert done.returncode == ExitCode.UNAVAILABLE
    assert gearmand.address in done.stderr
    assert [entry["request"]["id"] for entry in asked(worker, "list", "--quarantined")] == [UNIQUE]


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


def test_two_workers_share_a_history(theatre: Theatre, server: PostgreSQL) -> None:
    history = {"url": server.database()}
    with (
        theatre.worker("first", history=history, slots=1) as first,
        theatre.worker("second", history=history, slots=1) as second,
    ):
        builds = [theatre.launch(DO_EXECUTE="wait") for _ in range(2)]
        for build in builds:
            theatre.wait_at("execute", build)
        (theatre.flags / "go").touch()
        assert {build.wait() for build in builds} == {"SUCCESS"}
        wait_for(theatre, first, 2, history["url"])

        assert verdicts(first) == verdicts(second)
        listed = asked(second, "list")
        assert {entry["worker"] for entry in listed} == {"first-under-test", "second-under-test"}
        assert {entry["build"] for entry in listed} == {build.unique for build in builds}
        for build in builds:
            (shown,) = asked(first, "show", build.unique)
            assert "execute" in {stage["name"] for stage in shown["stages"]}
