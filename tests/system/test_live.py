"""The page of a build from the first packet on: while it runs, when it is over, and whatever ends it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.testing.gearmand import Gearmand

from parts.distribution import Site
from parts.puppet import Theatre
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

URL = "https://logs.example.org/"


HANGING = """\
import time
from thcore.hooks import hookimpl
from thcore.model import Publication


class Hanging:
    @hookimpl
    def thcore_publish_live(self, build):
        build.log("hanging")
        time.sleep(600)

    @hookimpl
    def thcore_publish(self, build):
        return Publication("https://hanging.example.org/")


plugin = Hanging()
"""


class Shop:
    """A theatre whose builds are published below a directory. Of its jobs, ``hang`` has a publisher that hangs."""

    def __init__(self, directory: Path, zuul: Zuul, server: str) -> None:
        self.theatre = Theatre(directory, zuul, server)
        self.root = directory / "logs"
        Site(directory / "site").plugin("hanging", HANGING)

    def worker(self, name: str = "worker") -> Worker:
        local = {"publish_local": {"path": str(self.root), "url": URL}}
        puppet = {"puppet": {"directory": str(self.theatre.flags)}}
        waits = {"publish_local": {"path": str(self.root / "in-the-way"), "url": f"{URL}in-the-way"}}
        jobs = [
            {"name": "play", "plugins": {**local, **puppet}},
            {"name": "hang", "plugins": {"hanging": {}, **local, **puppet}},
            {"name": "wait", "plugins": {**waits, **puppet}},
        ]
        return self.theatre.worker(name, jobs=jobs, kill_grace="500ms")

    def launch(self, job: str = "play", **parameters: Any) -> ZuulBuild:
        unique = uuid.uuid4().hex
        return self.theatre.launch(job, unique=unique, LOG_PATH=f"45/12345/2/check/{job}/{unique[:7]}", **parameters)

    def directory(self, build: ZuulBuild) -> Path:
        """Where the first address that Zuul was told leads to."""
        build.wait_started()
        return self.root / build.data[0]["url"].removeprefix(URL)

    def wait_for(self, build: ZuulBuild, *words: str, timeout: float = 30) -> str:
        """Wait until these words are on the page of a build."""
        page = self.directory(build) / "index.html"

        def there() -> bool:
            with contextlib.suppress(FileNotFoundError):  # between two renames there is a moment without one
                return all(word in page.read_text() for word in words)
            return False

        self.theatre.wait_until(there, f"{words} on the page", timeout)
        return page.read_text()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Gearmand() as server, Zuul(server.port) as zuul:
        yield Shop(tmp_path_factory.mktemp("live"), zuul, server.address)
        assert zuul.violations == []


@pytest.fixture(scope="module")
def worker(shop: Shop) -> Iterator[Worker]:
    """One worker for all tests but those that kill it."""
    with shop.worker() as made:
        yield made


def child_of(build: ZuulBuild, worker: Worker) -> int:
    """The process that does a build: the one that keeps its log open."""
    log = f"/{build.unique}"
    for process in worker.processes():
        if any(log in opened.path and opened.path.endswith("console.log") for opened in process.open_files()):
            return process.pid
    raise AssertionError("no process does the build")


def test_the_first_packet_names_the_page_that_shows_the_build_and_becomes_its_result(
    shop: Shop, worker: Worker
) -> None:
    build = shop.launch(DO_EXECUTE="wait")
    shop.theatre.wait_at("execute", build)

    page = shop.wait_for(build, "In stage execute", "the puppet is at execute")

    assert 'http-equiv="refresh"' in page
    assert not (shop.directory(build) / "console.log").exists()
    state = json.loads((shop.directory(build) / "live" / "state.json").read_text())
    assert (state["build"], state["attempt"], state["stage"]) == (build.unique, 1, "execute")
    assert "the puppet is at checkout" in (shop.directory(build) / "live" / "log-000001.txt").read_text()
    shop.theatre.release("execute", build)
    assert build.wait() == "SUCCESS"
    assert build.data[0]["url"] == build.data[-1]["url"]
    assert 'class="banner success"' in shop.wait_for(build, "SUCCESS")
    assert (shop.directory(build) / "result.json").exists()
    assert not (shop.directory(build) / "live").exists()


def test_the_page_of_a_build_that_was_cancelled_says_so(shop: Shop, worker: Worker) -> None:
    build = shop.launch(DO_EXECUTE="wait")
    shop.wait_for(build, "the puppet is at execute")

    build.cancel()

    page = shop.wait_for(build, "Cancelled: Zuul asked for it")
    assert 'http-equiv="refresh"' not in page
    shop.theatre.wait_until(lambda: build.ended, "the end")
    assert not (shop.directory(build) / "result.json").exists()
    assert list((worker.state / "spool").iterdir()) == []


def test_the_page_of_a_build_that_was_deaf_to_a_cancel_says_so_in_the_end(shop: Shop, worker: Worker) -> None:
    build = shop.launch(DO_EXECUTE="hang")
    shop.wait_for(build, "the puppet is at execute")

    build.cancel()

    shop.wait_for(build, "Cancelled: Zuul asked for it", "CANCELLED")
    assert (shop.directory(build) / "result.json").exists()


def test_the_page_of_a_build_whose_process_died_becomes_its_result(shop: Shop, worker: Worker) -> None:
    build = shop.launch(DO_EXECUTE="wait")
    shop.wait_for(build, "the puppet is at execute")

    os.kill(child_of(build, worker), signal.SIGKILL)

    assert build.wait() is None
    assert build.data[-1]["url"] == build.data[0]["url"]
    assert "died in stage execute: killed by SIGKILL" in shop.wait_for(build, "UNVERIFIED")


def test_the_answer_names_the_page_of_a_build_whose_evidence_is_still_waiting(shop: Shop, worker: Worker) -> None:
    away, in_the_way = shop.theatre.flags / "away", shop.root / "in-the-way"
    shop.root.mkdir(exist_ok=True)
    in_the_way.touch()
    away.touch()
    build = shop.launch("wait")

    assert build.wait() == "SUCCESS"

    assert build.data[-1]["url"] == build.data[0]["url"]
    assert build.url.startswith(f"{URL}in-the-way/45/12345/2/check/wait/")
    worker.wait_for("its evidence is not published yet")
    away.unlink()
    in_the_way.unlink()
    shop.wait_for(build, "SUCCESS", timeout=60)


def test_a_page_that_hangs_costs_no_build_its_verdict(shop: Shop, worker: Worker) -> None:
    build = shop.launch("hang")

    assert build.wait() == "SUCCESS"

    assert build.data[-1]["url"] == "https://hanging.example.org/"
    log = (shop.directory(build) / "console.log").read_text()
    assert log.count("the page of the running build is given up: hanging: it has not answered") == 1


def test_the_page_of_a_build_whose_worker_died_says_so_once_another_one_is_there(
    tmp_path: Path, zuul: Zuul, gearmand: Gearmand
) -> None:
    shop = Shop(tmp_path, zuul, gearmand.address)
    with shop.worker() as worker:
        build = shop.launch(DO_EXECUTE="hang")
        shop.wait_for(build, "the puppet is at execute")
        (nursery,), child = worker.nurseries(), child_of(build, worker)
        for pid in (worker.pid, nursery.pid, child):
            os.kill(pid, signal.SIGKILL)
        worker.wait()
    assert "In stage execute" in shop.wait_for(build, "Running")

    successor = shop.worker()
    # Without a server, so that nobody has the build done again.
    successor.rewrite(gearman={"servers": ["127.0.0.1:1"], "name": "worker-under-test"})
    successor.launch()
    try:
        shop.wait_for(build, "The worker died while it did the build", "UNVERIFIED")
    finally:
        successor.stop()
