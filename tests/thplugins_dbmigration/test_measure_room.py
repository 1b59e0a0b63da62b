"""How much room there is where a build writes."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from thplugins_dbmigration.distress import Distress
from thplugins_dbmigration.measure import room
from thplugins_dbmigration.measure.room import Room, RoomWatch, refused

MIB = 1024**2


@pytest.mark.parametrize(
    ("free", "size", "files", "none_left"),
    [
        (0, 10_000 * MIB, 5, True),
        (63 * MIB, 10_000 * MIB, 5, True),
        (65 * MIB, 10_000 * MIB, 5, False),
        (65 * MIB, 10_000 * MIB, 0, True),
        (65 * MIB, 10_000 * MIB, None, False),
        (20 * MIB, 64 * MIB, 5, False),
        (6 * MIB, 64 * MIB, 5, True),
    ],
)
def test_a_file_system_with_little_room_or_no_file_left_is_full(
    free: int, size: int, files: int | None, none_left: bool
) -> None:
    assert Room(free, size, files, Path("/data")).none_left is none_left


def test_room_is_that_of_others_than_root(tmp_path: Path) -> None:
    found = Room.at(tmp_path)
    assert found is not None
    assert 0 < found.free < found.size
    assert Room.at(tmp_path / "nowhere") is None


def test_a_disk_that_was_full_for_a_moment_is_known_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, free = threading.Event(), iter([500, 0, 500])

    def statvfs(_place: Path) -> SimpleNamespace:
        blocks = next(free, None)
        if blocks is None:
            looked.set()
        left = 500 if blocks is None else blocks
        return SimpleNamespace(f_bavail=left, f_frsize=MIB, f_blocks=1000, f_files=0, f_favail=0)

    monkeypatch.setattr(room, "os", SimpleNamespace(statvfs=statvfs))
    monkeypatch.setattr(room, "INTERVAL_S", 0.001)
    watch = RoomWatch.start([Path("/data")], closely=True)
    assert looked.wait(30)
    watch.stop()
    assert watch.look() == {Distress.FULL: "0 B of 1000.0 MiB were free in /data"}


def test_that_no_file_more_was_free_is_known_when_afterwards_there_is_less_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = iter([(500, 0), (400, 9)])

    def statvfs(_place: Path) -> SimpleNamespace:
        free, files = next(seen)
        return SimpleNamespace(f_bavail=free, f_frsize=MIB, f_blocks=1000, f_files=10, f_favail=files)

    monkeypatch.setattr(room, "os", SimpleNamespace(statvfs=statvfs))
    watch = RoomWatch.start([Path("/data")], closely=False)
    told = {Distress.FULL: "500.0 MiB of 1000.0 MiB, and no file more, were free in /data"}
    assert (watch.look(), watch.look()) == (told, told)


def test_file_systems_that_tell_no_number_of_files_are_compared_with_those_that_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def statvfs(place: Path) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=0, f_frsize=MIB, f_blocks=64, f_files=int(place.name), f_favail=5)

    monkeypatch.setattr(room, "os", SimpleNamespace(statvfs=statvfs))
    watch = RoomWatch.start([Path("/0"), Path("/10")], closely=False)
    assert watch.look() == {Distress.FULL: "0 B of 64.0 MiB were free in /0"}


def test_where_nobody_looks_closely_the_room_is_what_there_is_when_somebody_asks(tmp_path: Path) -> None:
    threads = threading.active_count()
    watch = RoomWatch.start([tmp_path], closely=False)
    assert threading.active_count() == threads
    assert watch.look() == {}
    watch.stop()


def test_a_worker_that_is_refused_a_little_room_knows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused([tmp_path]) == {}

    def fallocate(*_arguments: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    assert refused([tmp_path]) == {Distress.QUOTA: f"Disk quota exceeded: for 1.0 MiB in {tmp_path}"}
    assert list(tmp_path.iterdir()) == []


def test_of_two_full_disks_one_without_a_number_of_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def statvfs(place: Path) -> SimpleNamespace:
        files = 0 if place.name == "a" else 7
        return SimpleNamespace(f_bavail=0, f_frsize=MIB, f_blocks=1000, f_files=files, f_favail=files)

    monkeypatch.setattr(room, "os", SimpleNamespace(statvfs=statvfs))
    watch = RoomWatch.start([Path("/a"), Path("/b")], closely=False)
    assert watch.look() == {Distress.FULL: "0 B of 1000.0 MiB were free in /a"}
