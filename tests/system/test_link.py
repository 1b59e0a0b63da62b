"""``thcore serve`` behind a wire that goes wrong: what ran is stopped and not published, what comes after works."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository

from parts.wire import Wire
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

NAME = "worker-under-test"
FUNCTIONS = {
    NAME: ["build:hello"],
    f"{NAME} control": [f"set_description:{NAME}", f"stop:{NAME}"],
}
NOTICED_S = 90.0
SCRIPT = """\
#!/bin/sh
echo $$ > {flags}/pid-$ZUUL_UUID.new
mv {flags}/pid-$ZUUL_UUID.new {flags}/pid-$ZUUL_UUID
while [ ! -e {flags}/go-$ZUUL_UUID ]; do sleep 0.05; done
"""


@pytest.fixture
def gearmand() -> Iterator[Gearmand]:
    """One that gives no build to a second worker, so that a lost one stays lost."""
    with Gearmand("--job-retries", "1") as server:
        yield server


@pytest.fixture
def wire(gearmand: Gearmand) -> Iterator[Wire]:
    with Wire(gearmand.port) as made:
        yield made


@pytest.fixture
def zuul(gearmand: Gearmand) -> Iterator[Zuul]:
    with Zuul(gearmand.port) as client:
        yield client
        # The end of a build whose worker is gone is gearmand's own: a bare WORK_FAIL.
        assert [fault for fault in client.violations if "no DATA right before FAIL" not in fault] == []


class Site:
    """A worker behind the wire, and Zuul in front of it."""

    def __init__(self, directory: Path, wire: Wire, zuul: Zuul) -> None:
        self._flags = directory / "flags"
        self._flags.mkdir()
        self._results = directory / "results"
        self._results.mkdir()
        self._zuul = zuul
        repository = Repository(directory / "origin" / "example" / "tool")
        (repository.path / "go.sh").write_text(SCRIPT.format(flags=self._flags))
        (repository.path / "go.sh").chmod(0o755)
        repository.commit({}, "scripts")
        self.worker = Worker(
            directory / "worker",
            wire.address,
            jobs=[{"name": "hello", "plugins": {"shell": {"script": ["./go.sh"]}}}],
            defaults={
                "plugins": {
                    "git": {"base_url": str(directory / "origin")},
                    "exit_status": {},
                    "publish_local": {"path": str(self._results), "url": "http://logs.example.org/"},
                }
            },
            gearman={"servers": [wire.address], "name": NAME, "silence": "4s"},
        )

    def launch(self) -> ZuulBuild:
        """A build that runs until ``release``."""
        names = "ZUUL_REF ZUUL_COMMIT ZUUL_CHANGE ZUUL_PATCHSET ZUUL_CHANGES ZUUL_CHANGE_IDS ZUUL_URL"
        return self._zuul.launch(
            "hello", **dict.fromkeys(names.split()), ZUUL_PROJECT="example/tool", ZUUL_BRANCH="main"
        )

    def script(self, build: ZuulBuild, not_: psutil.Process | None = None) -> psutil.Process:
        """The process of a build's script, once it runs; another one than ``not_``."""
        file = self._flags / f"pid-{build.unique}"
        found: list[psutil.Process] = []

        def runs() -> bool:
            with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
                found.append(psutil.Process(int(file.read_text())))
            return bool(found) and found[-1] != not_

        wait_until(runs, f"build {build.unique} runs its script")
        return found[-1]

    def release(self, build: ZuulBuild) -> None:
        (self._flags / f"go-{build.unique}").touch()

    def published(self) -> set[str]:
        """The shortened ids of all builds of which anything was published."""
        return {path.parent.name for path in self._results.rglob("result.json")}


@pytest.fixture
def site(tmp_path: Path, wire: Wire, zuul: Zuul) -> Iterator[Site]:
    made = Site(tmp_path, wire, zuul)
    with made.worker:
        yield made


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)  # a file or a process of another program: nothing to wait on


def restart(gearmand: Gearmand, wire: Wire) -> None:
    gearmand.restart()


def reset(gearmand: Gearmand, wire: Wire) -> None:
    wire.cut()


def silent_drop(gearmand: Gearmand, wire: Wire) -> None:
    wire.hang()


def half_open(gearmand: Gearmand, wire: Wire) -> None:
    wire.half_open()


@pytest.mark.parametrize(
    "fault", [restart, silent_drop, *(pytest.param(fault, marks=pytest.mark.slow) for fault in (reset, half_open))]
)
def test_a_build_whose_connection_is_lost_is_stopped_and_not_published_and_the_next_one_succeeds(
    gearmand: Gearmand, wire: Wire, zuul: Zuul, site: Site, fault: Callable[[Gearmand, Wire], None]
) -> None:
    lost = site.launch()
    script = site.script(lost)

    fault(gearmand, wire)

    psutil.wait_procs([script], timeout=NOTICED_S)
    assert not script.is_running()
    site.worker.wait_for("link_lost")
    wire.heal()
    site.worker.wait_for("connected")
    for client, functions in FUNCTIONS.items():
        assert gearmand.offered(client, functions) == functions
    assert lost.wait() is None
    zuul.wait_connected()
    site.release(lost)
    following = site.launch()
    script = site.script(following)
    site.release(following)
    assert following.wait() == "SUCCESS"
    assert following.url is not None
    assert site.published() == {following.unique[:7]}
    wait_until(lambda: not list((site.worker.state / "work").iterdir()), "nothing is left of either build")


def test_an_old_build_does_not_complete_a_new_one_that_got_the_same_handle(
    gearmand: Gearmand, zuul: Zuul, site: Site
) -> None:
    old = site.launch()
    stopped = site.script(old)
    gearmand.restart()
    psutil.wait_procs([stopped], timeout=NOTICED_S)
    site.worker.wait_for("connected")
    assert gearmand.offered(NAME, FUNCTIONS[NAME]) == FUNCTIONS[NAME]
    zuul.wait_connected()

    new = site.launch()
    running = site.script(new)

    assert new.gearman_job.handle == old.gearman_job.handle, "the server counts from 1 again"
    told = f"build={old.unique}"
    wait_until(
        lambda: any("build_unanswered" in line and told in line for line in list(site.worker.output)),
        "the old build has its outcome",
    )
    assert running.is_running()
    assert not new.ended
    assert [packet.kind for packet in new.packets if packet.kind != "STATUS"] == ["DATA"]
    site.release(new)
    assert new.wait() == "SUCCESS"
    assert new.data[-1]["number"] == new.unique


def test_a_build_over_a_slow_connection_is_not_disturbed(wire: Wire, site: Site) -> None:
    wire.delay(0.3)
    build = site.launch()
    script = site.script(build)
    assert script.is_running()
    site.release(build)

    assert build.wait(60) == "SUCCESS"

    assert site.published() == {build.unique[:7]}
    assert "link_lost" not in site.worker.text


def test_a_build_that_the_server_queues_again_runs_again_and_is_published_once(tmp_path: Path) -> None:
    with (
        Gearmand() as server,
        Wire(server.port) as wire,
        Zuul(server.port) as zuul,
        (site := Site(tmp_path, wire, zuul)).worker,
    ):
        build = site.launch()
        first = site.script(build)

        wire.cut()

        psutil.wait_procs([first], timeout=NOTICED_S)
        second = site.script(build, not_=first)
        assert second.is_running()
        assert site.published() == set()
        site.release(build)
        assert build.wait() == "SUCCESS"
        assert site.published() == {build.unique[:7]}
        assert build.data[-1]["attempt"] == 2
