"""``thcore serve`` with shell jobs: a real gearmand, a client that behaves as Zuul, real processes and signals."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import frozen

from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository

from parts.worker import Worker, words
from parts.zuul import Zuul, ZuulBuild

pytestmark = [pytest.mark.system, pytest.mark.measured]

SCRIPT = """\
#!/bin/sh
echo "started as $$" > "$WORKSPACE/started"
echo "project $ZUUL_PROJECT at $(pwd)"
cp "$WORKSPACE/started" "$LOG_DIR/started.txt"
touch {flags}/started-$ZUUL_UUID
while [ ! -e {flags}/go ] && [ -n "$ZUUL_WAIT" ]; do sleep 0.05; done
exit ${{ZUUL_EXIT:-0}}
"""

STUBBORN = """\
#!/bin/sh
trap '' TERM
setsid sleep 300 &
sleep 300 &
touch {flags}/started-$ZUUL_UUID
while :; do sleep 300; done
"""


@contextlib.contextmanager
def working(directory: Path, server: str) -> Iterator[Worker]:
    """A worker below a directory, with the flags that its jobs wait for, their repository and their results."""
    flags = directory / "flags"
    flags.mkdir()
    repository = Repository(directory / "origin" / "example" / "tool")
    for name, text in {"go.sh": SCRIPT, "stubborn.sh": STUBBORN}.items():
        (repository.path / name).write_text(text.format(flags=flags))
        (repository.path / name).chmod(0o755)
    repository.commit({}, "scripts")
    with Worker(
        directory / "worker",
        server,
        jobs=[
            {"name": "hello", "plugins": {"shell": {"script": ["./go.sh"]}}},
            {"name": "stubborn", "plugins": {"shell": {"script": ["./stubborn.sh"]}}},
            {"name": "last", "shutdown_after": True, "plugins": {"shell": {"script": ["./go.sh"]}}},
            {"name": "short", "timeout": "1s", "plugins": {"shell": {"script": ["./stubborn.sh"]}}},
        ],
        defaults={
            "plugins": {
                "git": {"base_url": str(directory / "origin"), "retries": 0},
                "exit_status": {},
                "publish_local": {"path": str(directory / "results"), "url": "http://logs.example.org/"},
            }
        },
    ) as made:
        yield made


@pytest.fixture
def worker(tmp_path: Path, gearmand: Gearmand) -> Iterator[Worker]:
    with working(tmp_path, gearmand.address) as made:
        yield made


@pytest.fixture
def flags(tmp_path: Path, worker: Worker) -> Path:
    return tmp_path / "flags"


@frozen
class Place:
    """Where a worker works that outlives a test: for tests that only have it do builds."""

    directory: Path
    worker: Worker
    gearmand: Gearmand


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("lasting")
    with Gearmand() as gearmand, working(directory, gearmand.address) as made:
        yield Place(directory, made, gearmand)


@pytest.fixture
def place(lasting: Place) -> Iterator[tuple[Place, Zuul]]:
    with Zuul(lasting.gearmand.port) as client:
        yield lasting, client
        assert client.violations == []


def launch(zuul: Zuul, job: str, **parameters: Any) -> ZuulBuild:
    timer = dict.fromkeys(
        ("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_CHANGES", "ZUUL_CHANGE_IDS", "ZUUL_URL")
    )
    return zuul.launch(job, **{**timer, "ZUUL_PROJECT": "example/tool", "ZUUL_BRANCH": "main", **parameters})


def wait_until(condition: Any, what: str, timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)  # a file or a process of another program: nothing to wait on


def wait_started(flags: Path, build: ZuulBuild) -> None:
    wait_until((flags / f"started-{build.unique}").exists, f"build {build.unique} started its script")


def result_of(tmp_path: Path, build: ZuulBuild) -> dict[str, Any]:
    path = next((tmp_path / "results").rglob(f"{build.unique[:7]}/result.json"))
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_worker_answers_success_with_the_address_of_the_published_page(place: tuple[Place, Zuul]) -> None:
    lasting, zuul = place
    build = launch(zuul, "hello")

    assert build.wait() == "SUCCESS"

    assert build.url is not None
    page = lasting.directory / "results" / build.url.removeprefix("http://logs.example.org/")
    assert "SUCCESS" in (page / "index.html").read_text(encoding="utf-8")
    assert "project example/tool at" in (page / "console.log").read_text()
    assert (page / "started.txt").exists()


def test_worker_answers_failure_when_the_script_fails(place: tuple[Place, Zuul]) -> None:
    lasting, zuul = place
    build = launch(zuul, "hello", ZUUL_EXIT="3")

    assert build.wait() == "FAILURE"

    document = result_of(lasting.directory, build)
    assert document["verdict"] == "FAILURE"
    assert "3" in document["summary"]


def test_worker_lets_zuul_retry_when_the_project_cannot_be_fetched(place: tuple[Place, Zuul]) -> None:
    lasting, zuul = place
    build = launch(zuul, "hello", ZUUL_PROJECT="example/missing")

    assert build.wait() is None

    assert build.data[-1]["verdict"] == "UNVERIFIED"
    assert result_of(lasting.directory, build)["verdict"] == "UNVERIFIED"


def test_worker_sends_its_first_data_before_it_touches_the_disk(place: tuple[Place, Zuul]) -> None:
    _, zuul = place
    build = launch(zuul, "hello")
    build.wait()

    assert [packet.kind for packet in build.packets[:2]] == ["DATA", "STATUS"]
    assert build.packets[0].payload != build.packets[-1].payload
    assert build.manager == "worker-under-test"


HOSTILE: tuple[dict[str, Any], ...] = (
    {"LOG_PATH": "../../etc"},
    {"LOG_PATH": "/etc/cron.d"},
    {"ZUUL_PROJECT": "; rm -rf /"},
    {"ZUUL_PROJECT": "../outside"},
    {"ZUUL_PROJECT": ["a", "list"]},
    {"ZUUL_BRANCH": "--upload-pack=touch /tmp/pwned"},
    {"ZUUL_REF": "refs/changes/../../x"},
    {"ZUUL_PROJECT": "x" * 10_000_000},
    {"raw": b"\xff\xfe not JSON"},
    {"raw": b"[1, 2]"},
)


def test_worker_refuses_hostile_arguments_and_touches_nothing(tmp_path: Path, zuul: Zuul, worker: Worker) -> None:
    before = sorted(str(path) for path in tmp_path.rglob("*") if not path.name.startswith("history.sqlite"))

    for parameters in HOSTILE:
        build = launch(zuul, "hello", **parameters)

        assert build.wait() == "INVALID_ARGUMENTS", str(parameters)[:80]
        assert build.data[-1]["summary"]
        after = sorted(str(path) for path in tmp_path.rglob("*") if not path.name.startswith("history.sqlite"))
        assert after == before, str(parameters)[:80]

    assert launch(zuul, "hello").wait() == "SUCCESS"


def test_stop_ends_every_process_of_the_build_and_the_answer_is_no_result(
    flags: Path, zuul: Zuul, worker: Worker
) -> None:
    build = launch(zuul, "stubborn")
    wait_started(flags, build)
    idle = 3  # the worker, its nursery, and a child for the other slot
    processes = worker.named("sleep", "sh", "stubborn.sh")
    assert len(processes) >= 3

    asked = time.monotonic()
    build.cancel()
    answered = time.monotonic() - asked
    gone, alive = psutil.wait_procs(processes, timeout=5)

    assert alive == []
    assert len(gone) >= idle
    assert answered < 1
    wait_until(lambda: build.ended, "the build's own end")
    assert build.data[-1]["result"] == "ABORTED"


def test_stop_of_an_unknown_build_is_answered(place: tuple[Place, Zuul]) -> None:
    _, zuul = place
    job = zuul.stop("worker-under-test", "hello", "f" * 32)

    assert job.complete


def test_stop_gets_through_while_all_slots_are_busy(flags: Path, zuul: Zuul, worker: Worker) -> None:
    builds = [launch(zuul, "hello", ZUUL_WAIT="1") for _ in range(2)]
    for build in builds:
        wait_started(flags, build)

    builds[1].cancel()

    wait_until(lambda: builds[1].ended, "the end of the stopped build")
    assert not builds[0].ended
    (flags / "go").touch()
    assert builds[0].wait() == "SUCCESS"


@pytest.mark.slow
def test_twenty_builds_at_once_are_all_answered(place: tuple[Place, Zuul]) -> None:
    _, zuul = place
    builds = [launch(zuul, "hello") for _ in range(20)]

    assert [build.wait(120) for build in builds] == ["SUCCESS"] * 20


def test_worker_leaves_nothing_of_a_build_behind(place: tuple[Place, Zuul]) -> None:
    lasting, zuul = place
    build = launch(zuul, "hello")
    build.wait()

    wait_until(lambda: not list((lasting.worker.state / "work").iterdir()), "an empty work directory")
    assert not lasting.worker.named("go.sh")


def test_deadline_ends_the_build_and_is_published_as_timed_out(place: tuple[Place, Zuul]) -> None:
    lasting, zuul = place
    build = launch(zuul, "short")

    assert build.wait() == "TIMED_OUT"

    document = result_of(lasting.directory, build)
    assert document["timed_out"] is True
    assert document["findings"][0]["code"] == "build-timed-out"


def test_worker_answers_for_a_child_that_was_killed(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, "stubborn")
    wait_started(flags, build)
    script = next(process for process in worker.processes() if "stubborn.sh" in " ".join(words(process)))
    below = worker.named("sleep")

    script.parent().kill()

    assert build.wait() is None
    assert "SIGKILL" in build.data[-1]["summary"]
    _, alive = psutil.wait_procs([script, *below], timeout=5)
    assert alive == []


def test_worker_goes_on_when_the_process_that_starts_builds_has_died(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, "hello", ZUUL_WAIT="1")
    wait_started(flags, build)
    (nursery,) = worker.nurseries()

    nursery.kill()

    assert build.wait() is None
    assert launch(zuul, "hello").wait() == "SUCCESS"


def test_worker_finishes_the_build_before_stopping_on_sigterm(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, "hello", ZUUL_WAIT="1")
    wait_started(flags, build)

    worker.terminate()
    worker.wait_for("no new builds")
    assert not build.ended
    (flags / "go").touch()

    assert build.wait() == "SUCCESS"
    assert worker.wait() == 0


def test_second_sigterm_hands_the_build_back_for_a_retry(flags: Path, zuul: Zuul, worker: Worker) -> None:
    build = launch(zuul, "stubborn")
    wait_started(flags, build)
    processes = worker.processes()

    worker.terminate()
    worker.wait_for("no new builds")
    worker.terminate()

    assert build.wait() is None
    assert worker.wait() == 75
    _, alive = psutil.wait_procs(processes, timeout=5)
    assert alive == []


def test_worker_stops_after_a_build_of_a_job_that_says_so(zuul: Zuul, worker: Worker) -> None:
    assert launch(zuul, "last").wait() == "SUCCESS"

    assert worker.wait() == 0


def test_build_that_is_delivered_again_and_again_is_not_tried_for_ever(zuul: Zuul, worker: Worker) -> None:
    unique = "0" * 32
    for _ in range(3):
        assert launch(zuul, "hello", unique=unique, ZUUL_PROJECT="example/missing").wait() is None

    fourth = launch(zuul, "hello", unique=unique)

    assert fourth.wait() == "QUARANTINED"
    assert "delivered 3 times" in fourth.data[-1]["summary"]


def test_idle_worker_stops_at_once(worker: Worker) -> None:
    began = time.monotonic()

    worker.process.send_signal(signal.SIGINT)

    assert worker.wait() == 0
    assert time.monotonic() - began < 10


def test_next_worker_cleans_up_after_one_that_was_killed(
    tmp_path: Path, flags: Path, zuul: Zuul, gearmand: Gearmand, worker: Worker
) -> None:
    build = launch(zuul, "stubborn")
    wait_started(flags, build)
    processes = worker.named("sleep", "sh", "stubborn.sh")
    for process in worker.named("python", "python3", "python3.11", "python3.12", "python3.13"):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself when its parent has
            process.kill()
    worker.wait()

    with Worker(
        tmp_path / "worker",
        gearmand.address,
        jobs=[{"name": "hello", "plugins": {"shell": {"script": ["./go.sh"]}}}],
        defaults={"plugins": {"git": {"base_url": str(tmp_path / "origin")}, "exit_status": {}}},
    ) as second:
        _, alive = psutil.wait_procs(processes, timeout=5)
        assert alive == []
        assert list((second.state / "work").iterdir()) == []
        assert launch(zuul, "hello").wait() == "SUCCESS"


def test_two_workers_do_not_share_a_state_directory(tmp_path: Path, gearmand: Gearmand, worker: Worker) -> None:
    second = Worker(
        tmp_path / "second",
        gearmand.address,
        jobs=[{"name": "hello", "plugins": {"shell": {"script": ["./go.sh"]}, "git": {}}}],
        directories={"state": str(worker.state)},
    )

    with pytest.raises(RuntimeError, match="another worker"):
        second.start()
    assert second.wait() == 2
