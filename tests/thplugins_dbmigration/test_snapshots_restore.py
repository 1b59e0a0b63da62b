"""A dataset is restored once; clones of it serve its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard

from thcore.errors import InfrastructureError
from thcore.model import BuildEvent, Bytes
from thcore.testing import make_build
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import LOADING_MEMORY, MEMORY, loading_memory_of
from thplugins_dbmigration.options import DbmigrationSettings
from thplugins_dbmigration.snapshots import clone, find, restored

from parts.dataset import as_read, write_dataset
from parts.servers import EMBEDDED, MARIADB, SEED, SQLITE, Kind, query

pytestmark = pytest.mark.system


def dataset_of(directory: Path, kind: str) -> Dataset:
    keys = {"type": kind, "seed_data": "seed.sql.zst", "overlays": ["more.sql"]}
    write_dataset(directory.parent, directory.name, SEED, database="app", db_user="app", db_pass="password", **keys)
    (directory / "seed.sql.zst").write_bytes(zstandard.ZstdCompressor().compress(SEED.encode()))
    (directory / "more.sql").write_text("INSERT INTO things VALUES (3, 'overlay');\n")
    return as_read(directory)


@pytest.mark.parametrize("kind", [MARIADB, pytest.param(EMBEDDED, marks=pytest.mark.slow), SQLITE], ids=str)
def test_a_dataset_is_restored_once_and_every_clone_has_its_rows(kind: Kind, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    events: list[BuildEvent] = []
    with make_build(tmp_path, settings=kind.settings, events=events) as build:
        engine = engine_for(dataset.type)
        installation = engine.installation(build)
        snapshot = restored(build, engine, installation, dataset)
        told = [event.detail for event in events]
        assert f"{dataset.name}: loading seed.sql.zst" in told
        assert f"{dataset.name}: restored" in told
        assert events[-1].done == events[-1].total
        assert restored(build, engine, installation, dataset) == snapshot
        assert len(events) == len(told)
        assert "password" not in str(snapshot.key.parts)
        for name in ("first", "second"):
            target = build.workspace.temporary / name / "data"
            clone(build, snapshot, target)
            with engine.start(build, installation, target, log=tmp_path / "server.log") as server:
                address = server.address("app", "app", "password")
                assert query(address, "SELECT count(*) FROM things") == [(3,)]
                query(address, "DELETE FROM things")
        (dataset.directory / "more.sql").write_text("INSERT INTO things VALUES (4, 'other');\n")
        assert restored(build, engine, installation, dataset) != snapshot


MEMORY_OF = {MARIADB: "@@innodb_buffer_pool_size", EMBEDDED: "pg_size_bytes(current_setting('shared_buffers'))"}


@pytest.mark.parametrize("kind", MEMORY_OF, ids=str)
def test_a_server_has_more_memory_while_it_loads_a_dataset(kind: Kind, tmp_path: Path) -> None:
    """The seed itself looks at the server that loads it."""
    memory = MEMORY_OF[kind]
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    (dataset.directory / "more.sql").write_text(f"CREATE TABLE seen AS SELECT {memory} AS bytes;\n")
    with make_build(tmp_path, settings=kind.settings) as build:
        engine = engine_for(dataset.type)
        installation = engine.installation(build)
        snapshot = restored(build, engine, installation, dataset)
        target = build.workspace.temporary / "clone" / "data"
        clone(build, snapshot, target)
        with engine.start(build, installation, target, log=tmp_path / "server.log") as server:
            [(loading, stepping)] = query(server.address("app", "app", "password"), f"SELECT bytes, {memory} FROM seen")
    assert (loading, stepping) == (LOADING_MEMORY, MEMORY)


@pytest.mark.parametrize(("setting", "expected"), [(None, 1 << 30), (16 << 20, 256 << 20), (8 << 30, 8 << 30)])
def test_a_server_that_loads_has_no_less_memory_than_others(setting: int | None, expected: int, tmp_path: Path) -> None:
    settings = DbmigrationSettings() if setting is None else DbmigrationSettings(loading_memory=Bytes(setting))
    with make_build(tmp_path, settings=settings) as build:
        assert loading_memory_of(build) == expected


@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED], ids=str)
def test_no_server_runs_on_what_is_frozen(kind: Kind, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    with make_build(tmp_path, settings=kind.settings) as build:
        engine = engine_for(dataset.type)
        installation = engine.installation(build)
        snapshot = restored(build, engine, installation, dataset)
        with (
            pytest.raises(InfrastructureError) as caught,
            engine.start(build, installation, snapshot.data, log=tmp_path / "server.log"),
        ):
            pytest.fail("it started")
        assert caught.value.code == "server-not-started"
        assert find(build, snapshot.key) is not None, build.workspace.log.read_text()


def test_a_frozen_postgresql_keeps_one_file_of_its_log(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", "postgresql")
    (dataset.directory / "more.sql").write_text(
        "CREATE TABLE big AS SELECT generate_series(1, 700000) AS id, 'some text to fill the log with' AS text;\n"
    )
    with make_build(tmp_path) as build:
        engine = engine_for(dataset.type)
        snapshot = restored(build, engine, engine.installation(build), dataset)
        assert len([path for path in (snapshot.data / "pg_wal").iterdir() if path.is_file()]) == 1


@pytest.mark.parametrize("kind", [MARIADB, pytest.param(EMBEDDED, marks=pytest.mark.slow), SQLITE], ids=str)
def test_a_dataset_that_cannot_be_restored_leaves_no_snapshot(kind: Kind, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    (dataset.directory / "more.sql").write_text("INSERT INTO nowhere VALUES (1);\n")
    with make_build(tmp_path, settings=kind.settings) as build:
        engine = engine_for(dataset.type)
        for _ in range(2):
            with pytest.raises(InfrastructureError, match=r"more\.sql cannot be loaded") as caught:
                restored(build, engine, engine.installation(build), dataset)
            assert caught.value.code == "seed-not-loaded"
        assert [path.name for path in (build.state / "snapshots").iterdir()] == ["locks"]
