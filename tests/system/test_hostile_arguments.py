"""A worker that is sent thousands of malformed and hostile jobs refuses each, and nothing anywhere has changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from hypothesis import HealthCheck, Phase, given, settings

from thcore.gearman import zuul as zuul_module
from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository

from parts import hostile
from parts.hostile import Hostile
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

GENERATED = 1150
LEAST = 2000
NODE = "bare"
SCRIPT = """\
#!/bin/sh
echo well
[ -z "$ZUUL_WAIT" ] || { touch started; cat "$ZUUL_WAIT"; }
"""
BOOKS = ("-wal", "-shm")
"""How the names of SQLite's own files end, which it writes when it likes."""
TIMER = ("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_CHANGES", "ZUUL_CHANGE_IDS", "ZUUL_URL")


@frozen
class State:
    """All that a refused job must leave as it is."""

    files: dict[str, tuple[object, ...]]
    processes: frozenset[tuple[int, float]]
    functions: dict[str, tuple[int, int, int]]
    connections: frozenset[object]
    descriptors: int

    @classmethod
    def of(cls, around: Path, worker: Worker, gearmand: Gearmand) -> State:
        processes = worker.processes()
        main = processes[0]
        return cls(
            files={str(path): _look(path) for path in [around, *around.rglob("*")] if not path.name.endswith(BOOKS)},
            processes=frozenset((process.pid, process.create_time()) for process in processes),
            functions=gearmand.status(),
            connections=frozenset((at.laddr, at.raddr, at.status) for at in main.net_connections()),
            descriptors=main.num_fds(),
        )


def _look(path: Path) -> tuple[object, ...]:
    stat = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else None
    return (stat.st_ino, stat.st_mode, stat.st_uid, stat.st_nlink, stat.st_size, stat.st_mtime_ns, content)


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """The directory that everything of this test is in: above the worker's own, beside it, where it publishes."""
    path = tmp_path / "around"
    canary = path / "canary"
    (canary / "etc").mkdir(parents=True)
    (canary / "etc" / "passwd").write_text("root:x:0:0\n")
    (canary / "link").symlink_to("etc/passwd")
    (path / "etc").symlink_to("canary/etc")
    return path


@pytest.fixture
def worker(around: Path, gearmand: Gearmand) -> Iterator[Worker]:
    Repository(around / "origin" / "example" / "tool").commit({"go.sh": SCRIPT}, "script")
    with Worker(
        around / "worker",
        gearmand.address,
        jobs=[{"name": hostile.JOB, "nodes": [NODE], "plugins": {"shell": {"script": ["sh", "go.sh"]}}}],
        defaults={
            "plugins": {
                "git": {"base_url": str(around / "origin")},
                "exit_status": {},
                "publish_local": {"path": str(around / "results"), "url": "http://logs.example.org/"},
            }
        },
        # With one slot, an answer also says that what came before has been put away.
        slots=1,
    ) as made:
        yield made


def launch_valid(zuul: Zuul, **parameters: Any) -> ZuulBuild:
    timer = dict.fromkeys(TIMER)
    return zuul.launch(hostile.JOB, **{**timer, "ZUUL_PROJECT": "example/tool", "ZUUL_BRANCH": "main", **parameters})


def generated() -> list[Hostile]:
    """Always the same ones, each once."""
    made: dict[bytes, Hostile] = {}

    @settings(
        max_examples=GENERATED,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile.generated())
    def collect(one: Hostile) -> None:
        made[one.arguments] = one

    collect()
    return list(made.values())


def wrong_answers(zuul: Zuul, corpus: Sequence[Hostile], node: str | None = None) -> list[str]:
    """Send them all, then wait for all answers. Returns what was answered otherwise than with a refusal."""
    builds = [(one, zuul.launch(hostile.JOB, node=node, raw=one.arguments)) for one in corpus]
    return [
        f"{one.what}: {build.result} {build.data[-1:]}"
        for one, build in builds
        if build.wait(120) != "INVALID_ARGUMENTS" or not build.data[-1]["summary"].isprintable()
    ]


def test_what_the_corpus_breaks_is_whole() -> None:
    zuul_module.parse(f"build:{hostile.JOB}", hostile.UNIQUE, json.dumps(hostile.VALID).encode())


def test_every_hostile_job_is_refused_and_nothing_has_changed(
    around: Path, gearmand: Gearmand, zuul: Zuul, worker: Worker, record_property: Callable[[str, object], None]
) -> None:
    corpus, more = list(hostile.written()), generated()
    assert launch_valid(zuul).wait() == "SUCCESS"
    assert wrong_answers(zuul, [Hostile("the first", b"{}")]) == []
    before = State.of(around, worker, gearmand)

    wrong = wrong_answers(zuul, corpus) + wrong_answers(zuul, corpus, NODE) + wrong_answers(zuul, more)

    assert wrong == []
    assert len(corpus) * 2 + len(more) >= LEAST
    assert State.of(around, worker, gearmand) == before
    assert launch_valid(zuul).wait() == "SUCCESS"
    told = f"{len(corpus)} written, each with and without a node, and {len(more)} generated: all refused"
    record_property("figures", told)


def test_every_hostile_unique_id_is_refused_and_nothing_has_changed(
    around: Path, gearmand: Gearmand, worker: Worker
) -> None:
    with Zuul(gearmand.port) as zuul:
        assert launch_valid(zuul).wait() == "SUCCESS"
        assert wrong_answers(zuul, [Hostile("the first", b"{}")]) == []
        before = State.of(around, worker, gearmand)

        for unique in hostile.UNIQUES:
            build = launch_valid(zuul, unique=unique)
            assert build.wait() == "INVALID_ARGUMENTS", unique
            assert "unique id" in build.data[-1]["summary"]

        assert State.of(around, worker, gearmand) == before
        assert launch_valid(zuul).wait() == "SUCCESS"


@pytest.mark.parametrize("function", ["stop", "set_description"])
def test_every_hostile_stop_or_description_is_answered_and_the_running_build_goes_on(
    around: Path, tmp_path: Path, gearmand: Gearmand, zuul: Zuul, worker: Worker, function: str
) -> None:
    going = tmp_path / "going"
    os.mkfifo(going)
    build = launch_valid(zuul, ZUUL_WAIT=str(going))
    _wait_started(around, build)
    gate = _opened_by_reader(going)
    disguised: list[object] = [
        [build.unique],
        {"number": build.unique},
        f" {build.unique}",
        f"{build.unique}\n",
        "*",
        ".*",
    ]
    disguised += [build.unique.upper(), build.unique[:-1], f"build:{hostile.JOB}", f"{build.unique}\0"]
    twice = f'{{"number": "x", "number": "{build.unique}"}}'.encode()
    before = State.of(around, worker, gearmand)

    numbered = [json.dumps({"name": hostile.JOB, "number": number}).encode() for number in disguised]
    for arguments in (*hostile.NO_NUMBERS, *numbered, twice):
        assert zuul.ask(f"{function}:worker-under-test", arguments).complete

    assert State.of(around, worker, gearmand) == before
    assert not build.ended
    os.close(gate)
    assert build.wait() == "SUCCESS"


def _wait_started(around: Path, build: ZuulBuild) -> None:
    build.wait_started()
    while not list((around / "worker" / "state" / "work").glob("*/source/started")):
        time.sleep(0.02)  # a file of another program: nothing to wait on


def _opened_by_reader(fifo: Path) -> int:
    """A pipe that the build's last program has opened and reads from until this end of it is closed."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        time.sleep(0.02)  # an act of another program: nothing to wait on
