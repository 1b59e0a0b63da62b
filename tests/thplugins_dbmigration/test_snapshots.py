"""Snapshots: restored once, frozen, cloned."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.model import BuildEvent
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration.datasets import Dataset, read
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.snapshots import clone, frozen, prepared, remove_half_made

from parts.servers import EMBEDDED, MARIADB, SEED, SQLITE, Kind, query


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


def dataset_of(directory: Path, kind: str) -> Dataset:
    directory.mkdir()
    (directory / "seed.sql.zst").write_bytes(zstandard.ZstdCompressor().compress(SEED.encode()))
    (directory / "more.sql").write_text("INSERT INTO things VALUES (3, 'overlay');\n")
    config = {
        "project": "app", "type": kind, "database": "app", "db_user": "app", "db_pass": "password",
        "seed_data": "seed.sql.zst", "overlays": ["more.sql"],
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    dataset, problems = read(directory)
    assert dataset is not None, problems
    return dataset


def written(text: str, times: list[int] | None = None) -> Callable[[Path], None]:
    def make(data: Path) -> None:
        data.mkdir()
        (data / "file").write_text(text)
        if times is not None:
            times.append(1)

    return make


@pytest.mark.system
@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED, SQLITE], ids=str)
def test_a_dataset_is_restored_once_and_every_clone_has_its_rows(kind: Kind, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    events: list[BuildEvent] = []
    with make_build(tmp_path, settings=kind.settings, events=events) as build:
        engine = engine_for(dataset.type)
        installation = engine.installation(build)
        snapshot = prepared(build, engine, installation, dataset)
        told = [event.detail for event in events]
        assert f"{dataset.name}: loading seed.sql.zst" in told
        assert f"{dataset.name}: restored" in told
        assert events[-1].done == events[-1].total
        assert prepared(build, engine, installation, dataset) == snapshot
        assert len(events) == len(told)
        for name in ("first", "second"):
            target = build.workspace.temporary / name / "data"
            clone(build, snapshot, target)
            with engine.start(build, installation, target, log=tmp_path / "server.log") as server:
                address = server.address("app", "app", "password")
                assert query(address, "SELECT count(*) FROM things") == [(3,)]
                query(address, "DELETE FROM things")
        before = snapshot
        (dataset.directory / "more.sql").write_text("INSERT INTO things VALUES (4, 'other');\n")
        assert prepared(build, engine, installation, dataset) != before


@pytest.mark.system
def test_a_frozen_postgresql_keeps_one_file_of_its_log(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", "postgresql")
    (dataset.directory / "more.sql").write_text(
        "CREATE TABLE big AS SELECT generate_series(1, 700000) AS id, 'some text to fill the log with' AS text;\n"
    )
    with make_build(tmp_path) as build:
        engine = engine_for(dataset.type)
        snapshot = prepared(build, engine, engine.installation(build), dataset)
        assert len([path for path in (snapshot / "pg_wal").iterdir() if path.is_file()]) == 1


@pytest.mark.system
@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED, SQLITE], ids=str)
def test_a_dataset_that_cannot_be_restored_leaves_no_snapshot(kind: Kind, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    (dataset.directory / "more.sql").write_text("INSERT INTO nowhere VALUES (1);\n")
    with make_build(tmp_path, settings=kind.settings) as build:
        engine = engine_for(dataset.type)
        for _ in range(2):
            with pytest.raises(InfrastructureError, match=r"more\.sql cannot be loaded") as caught:
                prepared(build, engine, engine.installation(build), dataset)
            assert caught.value.code == "seed-not-loaded"
        assert not list(build.state.glob("snapshots/*/OK"))


def test_builds_that_want_the_same_at_once_make_it_once(tmp_path: Path) -> None:
    times: list[int] = []
    started = threading.Barrier(4, timeout=20)
    paths = []

    def want(number: int) -> None:
        with make_build(tmp_path / str(number), state=tmp_path / "state", build_id=f"b{number}") as build:
            started.wait()
            paths.append(frozen(build, "key", "it", written("made", times)))

    threads = [threading.Thread(target=want, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(paths) == 4
    assert len(set(paths)) == 1
    assert times == [1]
    assert (paths[0] / "file").read_text() == "made"


def test_what_a_killed_process_left_half_made_is_made_again(build: Build) -> None:
    child = os.fork()
    if child == 0:

        def killed(data: Path) -> None:
            written("half")(data)
            os.kill(os.getpid(), signal.SIGKILL)

        frozen(build, "key", "it", killed)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert (build.state / "snapshots" / "key" / "data" / "file").read_text() == "half"
    data = frozen(build, "key", "it", written("whole"))
    assert (data / "file").read_text() == "whole"


def test_cleanup_removes_what_is_half_made_unless_it_is_being_made(build: Build) -> None:
    whole = frozen(build, "whole", "it", written("whole"))
    half = build.state / "snapshots" / "half"
    (half / "data").mkdir(parents=True)
    with (build.state / "snapshots" / "half.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        remove_half_made(build.state)
        assert half.exists()
    remove_half_made(build.state)
    assert not half.exists()
    assert (whole / "file").read_text() == "whole"
    remove_half_made(build.state / "nothing yet")


def test_an_error_while_making_is_raised_and_the_next_one_tries_again(build: Build) -> None:
    def fails(data: Path) -> None:
        written("half")(data)
        raise InfrastructureError("no", code="seed-not-loaded")

    with pytest.raises(InfrastructureError, match="no"):
        frozen(build, "key", "it", fails)
    assert (frozen(build, "key", "it", written("whole")) / "file").read_text() == "whole"


def test_waiting_for_another_build_ends_with_the_build(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt, events=events) as build:
        frozen(build, "key", "it", written("made"))
        with (build.state / "snapshots" / "key.lock").open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            timer = threading.Timer(0.3, interrupt.cancel, ("enough",))
            timer.start()
            with pytest.raises(CancelledError):
                frozen(build, "key", "it", written("again"))
            timer.join()
    assert [event.detail for event in events] == ["it: waiting for another build that is making it"]


def test_a_clone_that_fails_is_an_infrastructure_error(build: Build, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot clone") as caught:
        clone(build, tmp_path / "nix", tmp_path / "clone")
    assert caught.value.code == "snapshot-not-cloned"


def test_a_clone_is_whole_and_its_own(build: Build, tmp_path: Path) -> None:
    snapshot = frozen(build, "key", "it", written("made"))
    (snapshot / "file").chmod(0o600)
    target = tmp_path / "deep" / "below" / "data"
    clone(build, snapshot, target)
    assert (target / "file").stat().st_mode & 0o777 == 0o600
    (target / "file").write_text("changed")
    assert (snapshot / "file").read_text() == "made"


def test_snapshots_can_be_passed_through_under_a_strict_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with make_build(tmp_path) as build, contextlib.suppress(InfrastructureError):
            data = frozen(build, "key", "it", written("made"))
    finally:
        os.umask(before)
    assert data.parent.stat().st_mode & 0o777 == 0o755
