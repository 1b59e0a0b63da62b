"""Snapshots go when they are old or too many, but never one that a build has."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_dbmigration.options import DbmigrationSettings
from thplugins_dbmigration.snapshots import Key, Snapshot, clone, find, remove_half_made, shelf
from thplugins_dbmigration.snapshots import frozen as freeze

DAY_S = 86400.0
Open = Callable[..., AbstractContextManager[Build]]


@frozen
class Kept:
    """How many bytes a snapshot has."""

    size: int = 1000

    def __call__(self, data: Path) -> dict[str, Any]:
        data.mkdir()
        (data / "file").write_bytes(b"x" * self.size)
        return {}


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Builds of one worker, each with its own name and the worker's settings."""

    @contextmanager
    def build(name: str, **settings: Any) -> Iterator[Build]:
        with make_build(
            tmp_path / name, state=tmp_path / "state", build_id=name, settings=evolve(DbmigrationSettings(), **settings)
        ) as made:
            yield made

    return build


def key(name: str) -> Key:
    return Key("dataset", name)


def make(build: Build, name: str) -> Snapshot:
    return freeze(build, key(name), name, Kept())


def unused_for(build: Build, name: str, seconds: float) -> None:
    marker = build.state / "snapshots" / key(name).digest / "snapshot.json"
    os.utime(marker, (time.time() - seconds,) * 2)


def there(build: Build, *names: str) -> list[str]:
    return [name for name in names if (build.state / "snapshots" / key(name).digest).exists()]


def test_the_least_recently_used_go_when_all_are_too_large(opened: Open) -> None:
    with opened("first") as build:
        for name, age_s in (("a", 300), ("b", 200), ("c", 100)):
            make(build, name)
            unused_for(build, name, age_s)
        assert find(build, key("a")) is not None  # wanted now
    with opened("second", snapshot_size=3000) as build:
        make(build, "d")
        assert there(build, "a", "b", "c", "d") == ["a", "c", "d"]
        assert "dataset b" in build.workspace.log.read_text()
        assert "removed the snapshot" in build.workspace.log.read_text()


def test_what_was_not_wanted_for_long_goes(opened: Open) -> None:
    with opened("first") as build:
        make(build, "a")
        make(build, "b")
        unused_for(build, "a", 15 * DAY_S)
    with opened("second", snapshot_age=14 * DAY_S) as build:
        make(build, "b")
        assert there(build, "a", "b") == ["b"]


def test_one_that_is_larger_than_all_may_be_is_used_again_as_long_as_no_other_is_wanted(opened: Open) -> None:
    for name in ("first", "second"):
        with opened(name, snapshot_size=1) as build:
            make(build, "a")
    assert "making one" not in build.workspace.log.read_text()
    with opened("third", snapshot_size=1) as build:
        make(build, "b")
        assert there(build, "a", "b") == ["b"]


def test_what_a_build_has_stays_until_the_build_lets_go(opened: Open) -> None:
    with opened("first") as first, opened("second", snapshot_size=1) as second:
        held = make(first, "a")
        make(second, "b")
        make(second, "b")
        assert there(first, "a") == ["a"]
        clone(first, held, first.workspace.temporary / "data")
        del held
        make(second, "c")
        assert there(first, "a", "b") == []


def test_what_another_process_holds_stays_until_that_is_killed(opened: Open) -> None:
    with opened("first") as build:
        make(build, "a")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with opened("child") as build:
            held = find(build, key("a"))
            os.write(writing, b"x" if held else b"-")
            time.sleep(60)
    assert os.read(reading, 1) == b"x"
    with opened("second", snapshot_size=1) as build:
        make(build, "b")
        assert there(build, "a") == ["a"]
        os.kill(child, 9)
        os.waitpid(child, 0)
        make(build, "c")
        assert there(build, "a") == []
    os.close(reading)
    os.close(writing)


def test_without_a_setting_snapshots_may_take_a_quarter_of_the_file_system(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened("first") as build:
        for name in "abcde":
            make(build, name)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: Usage(4 * 3500))
    with opened("second") as build:
        make(build, "e")
        assert len(there(build, *"abcde")) == 3


@frozen
class Usage:
    total: int


def test_a_damaged_one_that_nobody_has_goes_at_cleanup(opened: Open) -> None:
    with opened("first") as build:
        make(build, "a")
        held = make(build, "b")
        for name in "ab":
            (build.state / "snapshots" / key(name).digest / shelf.MARKER).unlink()
        remove_half_made(build.state)
        assert there(build, "a", "b") == ["b"]
        del held
        remove_half_made(build.state)
        assert there(build, "b") == []
