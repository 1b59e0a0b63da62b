"""What a build leaves behind when it is ended, or when what should end it dies: nothing.

Its program starts a process that does all it can to get away: a session of its own, another parent, an empty
environment, another directory, no output, deaf to SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from thcore.process import cgroups
from thcore.process.cgroups import Cgroup
from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository

from parts.worker import Worker, words
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

RUNAWAY = """\
#!{python} -S
import os, pathlib, signal, sys, time

flags, unique = pathlib.Path("{flags}"), os.environ["ZUUL_UUID"]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(1000)"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.chdir(os.environ.get("ZUUL_STAY", "/"))
        os.closerange(0, 100)
        for _ in range(3):
            os.open("/dev/null", os.O_RDWR)
        os.execve(sys.executable, [sys.executable, "-S", "-c", code, str(flags / "part")], {{}})
    os._exit(0)
os.wait()
while not (flags / "part").exists() or not (flags / "part").read_text():
    time.sleep(0.01)
(flags / "part").rename(flags / ("runaway-" + unique))
while "ZUUL_WAIT" in os.environ:
    time.sleep(1000)
"""


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    path = tmp_path / "flags"
    path.mkdir()
    return path


@pytest.fixture
def repository(tmp_path: Path, flags: Path) -> Repository:
    made = Repository(tmp_path / "origin" / "example" / "tool")
    (made.path / "runaway.py").write_text(RUNAWAY.format(python=sys.executable, flags=flags))
    (made.path / "runaway.py").chmod(0o755)
    made.commit({}, "a program that does not want to end")
    return made


@pytest.fixture(params=["control groups", "no control groups"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Every test runs where the kernel keeps account of processes, and where it does not."""
    if request.param == "no control groups":
        return {cgroups.SWITCH: "off"}
    place = cgroups.place(tmp_path)
    if place is None:
        pytest.skip("this machine lets us make no control groups")
    place.remove()
    return {}


@pytest.fixture
def make_worker(
    tmp_path: Path, gearmand: Gearmand, repository: Repository, environment: dict[str, str]
) -> Callable[[], Worker]:
    def make() -> Worker:
        return Worker(
            tmp_path / "worker",
            gearmand.address,
            jobs=[
                {"name": "runaway", "plugins": {"shell": {"script": ["./runaway.py"]}}},
                {"name": "short", "timeout": "2s", "plugins": {"shell": {"script": ["./runaway.py"]}}},
            ],
            defaults={"plugins": {"git": {"base_url": str(tmp_path / "origin")}, "exit_status": {}}},
            environment=environment,
        )

    return make


@pytest.fixture
def worker(make_worker: Callable[[], Worker]) -> Iterator[Worker]:
    with make_worker() as made:
        yield made


def launch(zuul: Zuul, job: str = "runaway", **parameters: Any) -> ZuulBuild:
    timer = dict.fromkeys(
        ("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_CHANGES", "ZUUL_CHANGE_IDS", "ZUUL_URL")
    )
    return zuul.launch(job, **{**timer, "ZUUL_PROJECT": "example/tool", "ZUUL_BRANCH": "main", **parameters})


def runaway(flags: Path, build: ZuulBuild) -> psutil.Process:
    """The process that got away from a build's program, once it has."""
    flag = flags / f"runaway-{build.unique}"
    wait_until(flag.exists, f"the program of build {build.unique} started its runaway")
    return psutil.Process(int(flag.read_text()))


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)  # a file or a process of another program: nothing to wait on


def of_thcore(worker: Worker) -> list[psutil.Process]:
    """The worker, its nursery and the children, without the programs of builds."""
    return [process for process in worker.processes() if any("thcore" in word for word in words(process)[:4])]


def group_of(worker: Worker) -> Path | None:
    own = cgroups.current()
    return None if own is None else own.path / cgroups.name_of(worker.state)


def is_gone(*processes: psutil.Process, timeout: float = 20) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    return alive == []


def nothing_is_left(worker: Worker) -> bool:
    """No control group, and no workspace."""
    group = group_of(worker)
    return not list((worker.state / "work").iterdir()) and (group is None or not group.exists())


def test_the_runaway_is_where_the_mode_says(
    flags: Path, zuul: Zuul, worker: Worker, environment: dict[str, str]
) -> None:
    build = launch(zuul, ZUUL_WAIT="1")
    process = runaway(flags, build)
    group = group_of(worker)
    assert group is not None
    assert (process.pid in Cgroup(group).processes()) is (environment == {})
    assert process.environ() == {}
    assert process.cwd() == "/"
    build.cancel()


def test_a_runaway_ends_with_the_build_that_is_cancelled(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, ZUUL_WAIT="1")
    process = runaway(flags, build)
    build.cancel()
    assert is_gone(process)
    wait_until(lambda: build.ended, "the answer")
    assert build.data[-1]["result"] == "ABORTED"


def test_a_runaway_ends_at_the_deadline(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, "short", ZUUL_WAIT="1")
    process = runaway(flags, build)
    assert build.wait() == "TIMED_OUT"
    assert is_gone(process)


def test_a_runaway_does_not_outlive_a_build_that_went_well(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul)
    process = runaway(flags, build)
    assert build.wait() == "SUCCESS"
    assert is_gone(process)
    worker.stop()
    assert nothing_is_left(worker)


def test_a_runaway_ends_with_the_process_of_the_build(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, ZUUL_WAIT="1")
    process = runaway(flags, build)
    script = next(process for process in worker.processes() if "runaway.py" in " ".join(words(process)))
    script.parent().kill()
    assert is_gone(process, script)
    assert build.wait() is None
    found = build.data[-1]["summary"]
    assert "killed by SIGKILL, which thcore did not send; the kernel's OOM killer has killed nothing" in found


def test_a_runaway_ends_when_the_process_that_starts_builds_is_killed(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, ZUUL_WAIT="1")
    process = runaway(flags, build)
    (nursery,) = worker.nurseries()
    children = nursery.children()
    nursery.kill()
    assert is_gone(process, *children)
    assert build.wait() is None
    assert launch(zuul).wait() == "SUCCESS"
    worker.stop()
    assert nothing_is_left(worker)


def test_everything_ends_when_the_worker_alone_is_killed(flags: Path, zuul: Zuul, worker: Worker) -> None:
    process = runaway(flags, launch(zuul, ZUUL_WAIT="1"))
    everything = worker.processes()
    worker.process.kill()
    assert is_gone(process, *everything)
    group = group_of(worker)
    assert group is not None
    assert not group.exists()


def test_an_idle_worker_that_is_killed_leaves_no_process(worker: Worker) -> None:
    wait_until(lambda: len(worker.processes()) == 4, "the worker, its nursery, and a child for each slot")
    everything = worker.processes()
    worker.process.kill()
    assert is_gone(*everything)


def test_a_runaway_of_a_worker_that_died_with_all_its_processes_ends_at_the_next_start(
    flags: Path, zuul: Zuul, make_worker: Callable[[], Worker], environment: dict[str, str]
) -> None:
    first = make_worker().start()
    # Without control groups there is nothing to know it by but the directory that it works in.
    build = launch(zuul, ZUUL_WAIT="1", **({"ZUUL_STAY": "."} if environment else {}))
    process = runaway(flags, build)
    script = [process for process in first.processes() if process not in of_thcore(first)]
    for part in of_thcore(first):
        part.send_signal(signal.SIGSTOP)
    for part in of_thcore(first):
        part.kill()
    first.wait()
    assert process.is_running()
    (flags / f"runaway-{build.unique}").unlink()
    with make_worker() as second:
        assert is_gone(process, *script)
        runaway(flags, build)  # the server has handed the build out again
        build.cancel()
        wait_until(lambda: build.ended, "the answer")
    assert nothing_is_left(second)
