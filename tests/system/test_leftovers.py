"""What a worker leaves half made when all its processes are killed, and what the next start makes of it."""

from __future__ import annotations

import contextlib
import io
import signal
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from thcore.process import cgroups
from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository
from thplugins_dbmigration.engines.sockets import socket_directory

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.package import project_files
from parts.worker import Worker, words
from parts.zuul import Zuul, ZuulBuild

pytestmark = pytest.mark.system

SLOW_SEED = "CREATE TABLE things (id INTEGER PRIMARY KEY);\nSELECT {sleep}(1000);\n"
SLOW_BACKEND = """
import pathlib, time

def build_wheel(*_, **__):
    pathlib.Path("{flag}").touch()
    time.sleep(1000)
"""


@pytest.fixture(params=["control groups", "no control groups"])
def environment(request: pytest.FixtureRequest) -> dict[str, str]:
    return {} if request.param == "control groups" else {cgroups.SWITCH: "off"}


@pytest.fixture
def make_worker(tmp_path: Path, environment: dict[str, str]) -> Callable[[str], Worker]:
    def make(server: str) -> Worker:
        databases = [
            {"name": kind, "plugins": {"dbmigration": {"datasets": str(tmp_path / kind), "judge": "all"}}}
            for kind in ("mysql", "postgresql")
        ]
        venv = {"find_links": [str(tmp_path / "wheels")], "offline": True}
        return Worker(
            tmp_path / "worker",
            server,
            jobs=[*databases, {"name": "environment", "plugins": {"venv": venv, "shell": {"script": ["true"]}}}],
            defaults={"plugins": {"git": {"base_url": str(tmp_path / "origin")}}},
            environment=environment,
            slots=3,
        )

    return make


@pytest.fixture
def flag(tmp_path: Path) -> Path:
    """Made when the package is being built that a project needs."""
    repository = Repository(tmp_path / "origin" / "example" / "shop")
    project = AlembicProject(tmp_path / "project").revision("0001", None, "SELECT 1")
    files = {path.relative_to(project.path).as_posix(): path.read_text() for path in project.path.rglob("*.*")}
    repository.commit({**files, "requirements.txt": "needed\n"}, "a project")
    write_dataset(tmp_path / "mysql", "slow", SLOW_SEED.format(sleep="SLEEP"), type="mysql")
    write_dataset(tmp_path / "postgresql", "slow", SLOW_SEED.format(sleep="pg_sleep"), type="postgresql")
    path = tmp_path / "flag"
    (tmp_path / "wheels").mkdir()
    with tarfile.open(tmp_path / "wheels" / "needed-1.0.tar.gz", "w:gz") as archive:
        info = "Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n"
        needed = {**project_files("needed"), "own_backend.py": SLOW_BACKEND.format(flag=path), "PKG-INFO": info}
        for name, text in needed.items():
            member = tarfile.TarInfo(f"needed-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def launch(zuul: Zuul, job: str) -> ZuulBuild:
    timer = dict.fromkeys(("ZUUL_REF", "ZUUL_COMMIT", "ZUUL_CHANGE", "ZUUL_PATCHSET", "ZUUL_URL"))
    return zuul.launch(job, **timer, ZUUL_PROJECT="example/shop", ZUUL_BRANCH="main")


def wait_until(condition: Callable[[], Any], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)  # a file or a process of another program: nothing to wait on


def clients(worker: Worker) -> int:
    """How many database clients run."""
    count = 0
    for process in worker.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            count += process.name() in {"mariadb", "mysql", "psql"}
    return count


def half_made(worker: Worker, kind: str) -> list[Path]:
    """Snapshots or environments without the mark that they are whole."""
    places = [path for path in (worker.state / "plugins").glob(f"*/{kind}/*/") if path.name != "locks"]
    return [path for path in places if not any((path / mark).exists() for mark in ("OK", "snapshot.json"))]


def test_what_was_half_made_is_gone_after_the_next_start(
    flag: Path, gearmand: Gearmand, zuul: Zuul, make_worker: Callable[[str], Worker]
) -> None:
    first = make_worker(gearmand.address).start()
    builds = [launch(zuul, job) for job in ("mysql", "postgresql", "environment")]
    wait_until(lambda: clients(first) == 2, "both seeds are being loaded")
    wait_until(flag.exists, "the environment is being made")
    sockets = [socket_directory(build.unique, 1) for build in builds[:2]]
    assert all(list(path.rglob("*")) for path in sockets)
    assert len(half_made(first, "snapshots")) == 2
    assert len(half_made(first, "environments")) == 1

    everything = first.processes()
    ours = [process for process in everything if any("thcore" in word for word in words(process)[:4])]
    programs = [process for process in everything if process not in ours]
    assert len(programs) >= 6
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in ours:
            process.send_signal(number)
    first.wait()

    with Gearmand() as another, make_worker(another.address) as second:
        _, alive = psutil.wait_procs(programs, timeout=10)
        assert alive == []
        assert half_made(second, "snapshots") == []
        assert half_made(second, "environments") == []
        assert not any(path.exists() for path in sockets)
        assert list((second.state / "work").iterdir()) == []
