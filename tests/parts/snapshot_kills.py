"""Processes that make and use snapshots, and are killed at it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from attrs import evolve

from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.sockets import remove_sockets
from thplugins_dbmigration.options import DbmigrationSettings, Postgresql
from thplugins_dbmigration.snapshots import clone, remove_half_made, restored, shelf, store
from thplugins_dbmigration.snapshots.lock import alone_if_free

from parts.dataset import as_read, write_dataset
from parts.processes import KILLS
from parts.servers import query

SEED = os.environ.get("THCORE_CHAOS_SEED", "1")
ROWS = 300
SETTINGS = DbmigrationSettings(postgresql=Postgresql.EMBEDDED)


def dataset_of(directory: Path, kind: str) -> Dataset:
    rows = "".join(f"INSERT INTO things VALUES ({number}, '{'x' * 200}');\n" for number in range(ROWS))
    sql = f"CREATE TABLE things (id INTEGER, name VARCHAR(200));\n{rows}"
    return as_read(write_dataset(directory.parent, directory.name, sql, type=kind))


@contextlib.contextmanager
def opened(path: Path, name: str, bound: int | None = None) -> Iterator[Build]:
    settings = evolve(SETTINGS, snapshot_size=bound)
    with make_build(path / name, state=path / "state", build_id=name, settings=settings) as build:
        yield build


def use(build: Build, dataset: Dataset) -> None:
    """What a build does: restore if it must, clone, and look whether all rows are there."""
    engine = engine_for(dataset.type)
    installation = engine.installation(build)
    target = build.workspace.temporary / "data"
    clone(build, restored(build, engine, installation, dataset), target)
    with engine.start(build, installation, target, log=build.workspace.temporary / "log") as server:
        address = server.address(dataset.database, dataset.user, dataset.password.reveal())
        assert query(address, "SELECT count(*), sum(id) FROM things") == [(ROWS, ROWS * (ROWS - 1) // 2)]
    shelf.remove(target)


def worked_and_killed(path: Path, name: str, datasets: list[Dataset], bound: int | None, after_s: float) -> None:
    """A process that uses datasets until it is killed, which nothing prepares it for."""
    before = set(psutil.Process().children(recursive=True))  # servers of other tests, which live as long as the run
    child = os.fork()
    if child == 0:
        try:
            with opened(path, name, bound) as build:
                while True:
                    for dataset in datasets:
                        use(build, dataset)
        finally:
            os._exit(1)
    time.sleep(after_s)
    assert os.waitpid(child, os.WNOHANG) == (0, 0), "it broke before it was killed"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for orphan in set(psutil.Process().children(recursive=True)) - before:  # as the worker does
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.kill()
            orphan.wait(10)
    remove_sockets(name, 1)


def check_whole_and_free(state: Path) -> None:
    """After what the worker does for a build that died."""
    remove_half_made(state)
    for place in shelf.places(state):
        assert store.damage(place) is None
        with alone_if_free(shelf.lock_of(place)) as free:
            assert free
    names = {path.name for path in (state / "snapshots").iterdir()}
    assert names == {"locks", *(place.name for place in shelf.places(state))}
    assert not list((state / "snapshots" / "locks").glob("*"))


def total(state: Path) -> int:
    return sum(path.stat().st_size for path in (state / "snapshots").glob("*/data/**/*") if path.is_file())


def kills(tmp_path: Path) -> None:
    """Thirty while snapshots are made, cloned and trimmed; 110 by ``make test-all``."""
    chance = random.Random(SEED)
    datasets = [dataset_of(tmp_path / "datasets" / str(number), "sqlite") for number in range(5)]
    with opened(tmp_path, "first") as build:
        state = build.state
        began = time.monotonic()
        use(build, datasets[0])
    took_s = time.monotonic() - began  # longer where others are at work
    bound = 3 * total(state)  # so that there is room for three of the five
    caught = 0
    for number in range(10 + KILLS):
        chance.shuffle(datasets)
        worked_and_killed(tmp_path, f"killed-{number}", datasets, bound, chance.uniform(0.0, max(0.3, 1.5 * took_s)))
        caught += any((state / "snapshots").glob("making-*"))
        check_whole_and_free(state)
    assert caught > KILLS // 16, "hardly any was killed while it made one"
    with opened(tmp_path, "last", bound) as build:
        for dataset in datasets:
            use(build, dataset)
        use(build, datasets[-1])
    assert 0 < total(state) <= bound
    assert len(shelf.places(state)) < len(datasets)
