"""Clones are whole, their own, and made by the fastest way that the file system has."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration.snapshots import Key, Snapshot, clone, clone_way, frozen, ways
from thplugins_dbmigration.snapshots.ways import Way

from parts.loop import reflinking

KEY = Key("dataset", "shop")


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def snapshot(build: Build) -> Snapshot:
    return frozen(build, KEY, "it", tree)


def tree(data: Path) -> dict[str, Any]:
    (data / "below" / "empty").mkdir(parents=True)
    data.chmod(0o700)
    (data / "file").write_text("made")
    (data / "file").chmod(0o600)
    (data / "below" / "large").write_bytes(os.urandom(3_000_000))
    (data / "below" / "hollow").write_bytes(b"")
    (data / "below" / "hollow").chmod(0o640)
    return {}


def modes(directory: Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.stat().st_mode & 0o777 for path in directory.rglob("*")}


def test_a_clone_is_whole_and_can_be_written_to_without_changing_the_snapshot(build: Build, snapshot: Snapshot) -> None:
    target = build.workspace.temporary / "deep" / "below" / "data"
    clone(build, snapshot, target)
    expected = {"file": 0o600, "below": 0o755, "below/empty": 0o755, "below/hollow": 0o640}
    assert expected.items() <= modes(target).items()
    assert target.stat().st_mode & 0o777 == 0o700
    assert (target / "below" / "large").read_bytes() == (snapshot.data / "below" / "large").read_bytes()
    (target / "file").write_text("changed")
    assert (snapshot.data / "file").read_text() == "made"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_clone_belongs_to_the_account_that_the_server_runs_as(build: Build) -> None:
    def owned(data: Path) -> dict[str, Any]:
        tree(data)
        os.chown(data, 65534, 65534)
        os.chown(data / "file", 65534, 65534)
        return {}

    target = build.workspace.temporary / "data"
    clone(build, frozen(build, KEY, "it", owned), target)
    assert (target.stat().st_uid, (target / "file").stat().st_uid) == (65534, 65534)
    assert (target / "file").stat().st_mode & 0o777 == 0o600


def spoiled(snapshot: Snapshot) -> None:
    with (snapshot.data / "below" / "large").open("ab") as stream:
        stream.write(b"more")


def emptied(snapshot: Snapshot) -> None:
    snapshot.data.chmod(0o700)
    (snapshot.data / "file").unlink()


def unlisted(snapshot: Snapshot) -> None:
    (snapshot.data.parent / "listing.json").unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can spoil what is read-only")
@pytest.mark.parametrize("damage", [spoiled, emptied, unlisted])
def test_a_snapshot_that_was_damaged_after_it_was_found_is_not_cloned(
    build: Build, snapshot: Snapshot, damage: Callable[[Snapshot], None]
) -> None:
    damage(snapshot)
    target = build.workspace.temporary / "data"
    with pytest.raises(InfrastructureError, match="damaged") as caught:
        clone(build, snapshot, target)
    assert caught.value.code == "snapshot-damaged"
    assert not target.exists()


def test_a_clone_that_there_is_no_room_for_leaves_nothing(
    build: Build, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ways, "fill", full)
    target = build.workspace.temporary / "data"
    with pytest.raises(InfrastructureError, match="No space left on device") as caught:
        clone(build, snapshot, target)
    assert caught.value.code == "snapshot-not-cloned"
    assert not target.exists()


def test_a_clone_does_not_touch_what_is_there_already(build: Build, snapshot: Snapshot) -> None:
    target = build.workspace.temporary / "data"
    target.mkdir()
    (target / "precious").write_text("kept")
    with pytest.raises(InfrastructureError, match="File exists"):
        clone(build, snapshot, target)
    assert (target / "precious").read_text() == "kept"


def test_cloning_ends_with_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build:
        snapshot = frozen(build, KEY, "it", tree)
        fill = ways.fill

        def filled(*arguments: Any) -> None:
            fill(*arguments)
            interrupt.cancel("enough")

        monkeypatch.setattr(ways, "fill", filled)
        target = build.workspace.temporary / "data"
        with pytest.raises(CancelledError):
            clone(build, snapshot, target)
        assert not target.exists()
        assert threading.active_count() < 4


def test_the_way_is_found_out_by_trying(build: Build, tmp_path: Path) -> None:
    assert clone_way(build) == clone_way(tmp_path)
    assert clone_way(tmp_path) in set(Way)


@pytest.mark.system
def test_files_share_their_blocks_where_the_file_system_can(tmp_path: Path) -> None:
    with reflinking(tmp_path / "xfs", megabytes=400) as place:
        assert clone_way(place) == "reflink"
        assert ways.file_system(place) == "xfs"
        with make_build(place) as build:
            snapshot = frozen(build, KEY, "it", large)
            before = free(place)
            clone(build, snapshot, build.workspace.temporary / "data")
            assert before - free(place) < 5_000_000
            assert (build.workspace.temporary / "data" / "file").stat().st_size == 50_000_000


@pytest.mark.system
def test_a_disk_that_is_full_in_the_middle_is_as_it_was_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(data: Path) -> dict[str, Any]:
        large(data)
        with (data / "endless").open("wb") as stream:
            while True:
                stream.write(bytes(10_000_000))

    with reflinking(tmp_path / "xfs", megabytes=400) as place, make_build(place) as build:
        before = free(place)
        with pytest.raises(InfrastructureError, match="No space left on device") as caught:
            frozen(build, KEY, "it", too_large)
        assert caught.value.code == "snapshot-not-made"
        assert before - free(place) < 1_000_000
        snapshot = frozen(build, KEY, "it", large)
        monkeypatch.setattr(ways, "between", lambda _source, _target: Way.COPY)
        (place / "filler").write_bytes(bytes(free(place) - 20_000_000))
        before = free(place)
        with pytest.raises(InfrastructureError, match="No space left on device") as caught:
            clone(build, snapshot, build.workspace.temporary / "data")
        assert caught.value.code == "snapshot-not-cloned"
        assert before - free(place) < 1_000_000


@pytest.mark.system
def test_between_two_file_systems_a_clone_is_a_copy(tmp_path: Path) -> None:
    with reflinking(tmp_path / "xfs", megabytes=400) as place, make_build(tmp_path, state=place / "state") as build:
        assert clone_way(build) == "copy"
        snapshot = frozen(build, KEY, "it", tree)
        clone(build, snapshot, build.workspace.temporary / "data")
        assert (build.workspace.temporary / "data" / "file").read_text() == "made"


def large(data: Path) -> dict[str, Any]:
    data.mkdir()
    (data / "file").write_bytes(os.urandom(1_000_000) * 50)
    return {}


def free(place: Path) -> int:
    os.sync()
    found = os.statvfs(place)
    return found.f_bfree * found.f_frsize
