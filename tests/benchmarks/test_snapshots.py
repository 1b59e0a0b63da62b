"""How long until a dataset is ready: its dump loaded as turbo-hipster did it, beside a clone of its snapshot.

THCORE_BENCH_MB is the size of the dump (60 megabytes; the goals are for 1000), THCORE_BENCH_GROWTH the sizes of the
table of growth, such as ``10,100,1000,4000`` (``10,50``). To load gigabytes takes long: with THCORE_BENCH_KEPT the
snapshots of that table are kept in that directory, and used again. nova's dump is taken where it is found (see
``parts.real_projects``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import zstandard
from attrs import evolve, frozen

from benchmarks.stock import stock_server, timed
from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import LOADING_MEMORY, Engine, Installation
from thplugins_dbmigration.snapshots import Snapshot, clone, clone_way, restored, shelf

from parts.dataset import as_read, write_dataset
from parts.loop import reflinking, unavailable
from parts.made_dataset import made_dataset
from parts.openstack import NOVA
from parts.real_projects import find_datasets
from parts.servers import EMBEDDED, MARIADB, SQLITE, SYSTEM, Kind

MEGABYTES = int(os.environ.get("THCORE_BENCH_MB", "60"))
GROWTH = tuple(int(size) for size in os.environ.get("THCORE_BENCH_GROWTH", "10,50").split(","))
KEPT = os.environ.get("THCORE_BENCH_KEPT")
ROUNDS = 5
GOALS = {("mysql", "copy"): 80, ("mysql", "reflink"): 300, ("postgresql", "copy"): 20, ("postgresql", "reflink"): 150}
GOALS |= {("sqlite", "copy"): 50}
GOALS_FROM_MB = 1000
FIRST_QUERY = "SELECT uuid FROM instances WHERE id = 1000"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]


@frozen
class Ready:
    """How long it took until the first query was answered, in seconds."""

    clone_s: float
    start_s: float

    @property
    def total_s(self) -> float:
        return self.clone_s + self.start_s


@frozen
class Bench:
    """A dataset and its engine. ``path`` is a directory for all that is made."""

    kind: Kind
    path: Path
    dataset: Dataset

    @contextlib.contextmanager
    def build(self, state: Path, name: str) -> Iterator[tuple[Build, Engine, Installation]]:
        """A build that keeps its snapshots below ``state``, and works beside it."""
        # As who has such a dataset sets it: its tables and indexes fit while it is loaded.
        memory = max(LOADING_MEMORY, 2 * self.dataset.seed.stat().st_size)
        settings = evolve(self.kind.settings, loading_memory=memory)
        with make_build(state.parent / name, state=state, build_id=name, settings=settings) as build:
            engine = engine_for(self.kind.type)
            yield build, engine, engine.installation(build)

    def snapshot(self, state: Path) -> Snapshot:
        with self.build(state, "restoring") as (build, engine, installation):
            return restored(build, engine, installation, self.dataset)

    def ready(self, state: Path) -> Ready:
        """The median of some clones, one after the other, each removed before the next."""
        found = []
        with self.build(state, "cloning") as (build, engine, installation):
            snapshot = restored(build, engine, installation, self.dataset)
            for number in range(ROUNDS):
                target = build.workspace.temporary / str(number) / "data"
                began = time.perf_counter()
                clone(build, snapshot, target)
                cloned = time.perf_counter()
                with engine.start(build, installation, target, log=self.path / "server.log") as server:
                    assert first_row(server.address("app", "app", "password"))
                    found.append(Ready(cloned - began, time.perf_counter() - cloned))
                shelf.remove(target.parent)
        return sorted(found, key=lambda ready: ready.total_s)[ROUNDS // 2]

    def reloaded_s(self) -> float:
        """``mysql < dump``, ``psql -f dump`` or ``sqlite3 < dump`` on a server as it comes, which runs already."""
        data = self.path / "reloaded" / "data"
        if self.kind is SQLITE:
            data.mkdir(parents=True)
            return timed(["sqlite3", str(data / "app.sqlite")], self.dataset.seed)
        with self.build(self.path / "state", "reload") as (build, engine, installation):
            data.parent.mkdir(mode=0o755)
            engine.initialise(build, installation, data)
            with engine.start(build, installation, data, log=self.path / "reload.log") as server:
                server.create("app", "app", "password")
        with stock_server(installation, data) as (client, _):
            return timed(client, self.dataset.seed)


def first_row(address: Address) -> Any:
    """What the first query answers, asked with the driver alone: what more a client does is not the dataset's."""
    login = {"user": address.user, "password": address.password.reveal()}
    connection: Any
    if address.dialect == "mysql":
        connection = pymysql.connect(unix_socket=str(address.socket), database=address.database, **login)
    elif address.dialect == "postgresql":
        connection = psycopg.connect(host=str(address.socket), dbname=address.database, **login)
    else:
        connection = sqlite3.connect(address.database)
    with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(FIRST_QUERY)
        return cursor.fetchone()


@contextlib.contextmanager
def states(bench: Bench) -> Iterator[dict[str, Path]]:
    """The state directories to clone from, by way: this file system's, and one that shares blocks where root can."""
    state = bench.path / "state"
    size = sum(path.stat().st_size for path in bench.snapshot(state).data.rglob("*"))
    with make_build(bench.path / "probe", state=state) as build:
        found = {clone_way(build): state}
    if unavailable():
        print(f"reflink: not measured: {unavailable()}")
        yield found
        return
    with reflinking(bench.path / "xfs", megabytes=600 + 3 * size // 1_000_000) as place:
        shared = place / "state"
        (shared / "plugins").mkdir(parents=True)
        subprocess.run(["cp", "-a", str(state / "plugins"), str(shared)], check=True)
        subprocess.run(["sync", "--file-system", str(place)], check=True)
        found["reflink"] = shared
        yield found


def bench_of(path: Path, kind: Kind, megabytes: int) -> Bench:
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return Bench(kind, path, made_dataset(path / "datasets" / "compute", kind.type, megabytes))


@pytest.mark.parametrize("kind", [MARIADB, SYSTEM, EMBEDDED, SQLITE], ids=str)
def test_a_clone_is_ready_long_before_a_dump_is_loaded(kind: Kind, tmp_path: Path) -> None:
    ratios = beside_its_dump(bench_of(tmp_path / "bench", kind, MEGABYTES))
    for way, ratio in ratios.items():
        assert ratio >= (GOALS.get((kind.type, way), 1) if MEGABYTES >= GOALS_FROM_MB else 1), (str(kind), way)


def test_a_clone_of_novas_data_is_ready_long_before_their_dump_is_loaded(tmp_path: Path) -> None:
    source = find_datasets()
    if source is None:
        pytest.skip("there is no dataset of nova")
    path = tmp_path / "bench"
    path.mkdir(mode=0o755)
    directory = path / "datasets" / "nova"
    account = {"database": "app", "db_user": "app", "db_pass": "password"}
    write_dataset(directory.parent, directory.name, "", type="mysql", project=NOVA.name, **account)
    with (source / NOVA.source / NOVA.seed).open("rb") as packed, (directory / "seed.sql").open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(packed, plain)
    ratios = beside_its_dump(Bench(MARIADB, path, as_read(directory)))
    assert min(ratios.values()) > 1


def beside_its_dump(bench: Bench) -> dict[str, float]:
    """How many times sooner a clone is ready than its dump is loaded, by way."""
    began = time.perf_counter()
    bench.snapshot(bench.path / "state")
    restored_s = time.perf_counter() - began
    with states(bench) as found:
        clones = {way: bench.ready(state) for way, state in found.items()}
    reload_s = bench.reloaded_s()
    dump = bench.dataset.seed.stat().st_size / 1e6
    told = f"loaded in {reload_s:.2f} s; its snapshot is made in {restored_s:.2f} s"
    print(f"\n{bench.kind}, {bench.dataset.project}, dump of {dump:.0f} MB: {told}")
    print(f"{'way':10} {'clone s':>9} {'start s':>9} {'ready s':>9} {'ratio':>9}")
    ratios = {way: reload_s / ready.total_s for way, ready in clones.items()}
    for way, ready in clones.items():
        print(f"{way:10} {ready.clone_s:9.3f} {ready.start_s:9.3f} {ready.total_s:9.3f} {ratios[way]:8.1f}x")
    return ratios


@pytest.mark.parametrize("kind", [MARIADB, SYSTEM, SQLITE], ids=str)
def test_a_clone_grows_with_the_data_only_where_it_is_a_copy(kind: Kind, tmp_path: Path) -> None:
    rows = []
    for megabytes in GROWTH:
        bench = bench_of(Path(KEPT or tmp_path) / f"{kind}-{megabytes}", kind, megabytes)
        with states(bench) as found:
            rows += [(megabytes, way, bench.ready(state)) for way, state in found.items()]
        if not KEPT:
            shutil.rmtree(bench.path)
    print(f"\n{kind}\n{'dump MB':>8} {'way':10} {'clone s':>9} {'start s':>9} {'ready s':>9}")
    for megabytes, way, ready in rows:
        print(f"{megabytes:8} {way:10} {ready.clone_s:9.3f} {ready.start_s:9.3f} {ready.total_s:9.3f}")
