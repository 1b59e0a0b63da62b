"""Snapshots are made once, found again, and never left half made."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build
from thcore.model import BuildEvent
from thcore.process.interrupt import Interrupt
from thcore.testing import make_build
from thplugins_dbmigration.snapshots import Key, Snapshot, find, frozen, lock, remove_half_made, shelf
from thplugins_dbmigration.snapshots.lock import Hold

KEY = Key("dataset", "shop", {"engine": "sqlite"})
OTHER = Key("dataset", "shop", {"engine": "mysql"})


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


def written(text: str, times: list[int] | None = None) -> Callable[[Path], dict[str, Any]]:
    def make(data: Path) -> dict[str, Any]:
        data.mkdir()
        (data / "file").write_text(text)
        if times is not None:
            times.append(1)
        return {"says": text}

    return make


def content(snapshot: Snapshot | None) -> str:
    assert snapshot is not None
    return (snapshot.data / "file").read_text()


def told(build: Build) -> str:
    return build.workspace.log.read_text()


def locks(build: Build) -> list[Path]:
    return list((build.state / "snapshots" / "locks").glob("*"))


def test_a_snapshot_is_found_with_its_key_and_the_notes_of_its_maker(build: Build) -> None:
    assert find(build, KEY) is None
    made = frozen(build, KEY, "it", written("made"))
    found = find(build, KEY)
    assert found is not None
    assert found == made
    assert (found.key, found.notes) == (KEY, {"says": "made"})
    assert find(build, OTHER) is None
    written_down = json.loads((found.data.parent / "snapshot.json").read_text())
    assert written_down["parts"] == {"engine": "sqlite"}
    assert written_down["size"] == len("made")


@pytest.mark.parametrize(
    "other",
    [
        Key("trunk", "shop", {"engine": "sqlite"}),
        Key("dataset", "other", {"engine": "sqlite"}),
        OTHER,
        Key("dataset", "shop", {"engine": "sqlite", "tool": ""}),
        Key("dataset", "shop"),
    ],
    ids=["kind", "name", "part", "empty part", "no part"],
)
def test_whatever_a_snapshot_depends_on_changes_its_digest(other: Key) -> None:
    assert other.digest != KEY.digest


def test_the_order_of_what_a_snapshot_depends_on_does_not_matter() -> None:
    assert Key("dataset", "a", {"x": "1", "y": "2"}).digest == Key("dataset", "a", {"y": "2", "x": "1"}).digest


def test_nothing_can_be_written_to_what_is_frozen(build: Build) -> None:
    snapshot = frozen(build, KEY, "it", written("made"))
    modes = {path.name: path.stat().st_mode & 0o222 for path in (snapshot.data, snapshot.data / "file")}
    assert modes == {"data": 0, "file": 0}


def test_eight_builds_that_want_the_same_at_once_make_it_once(tmp_path: Path) -> None:
    times: list[int] = []
    started = threading.Barrier(8, timeout=20)
    paths = []

    def want(number: int) -> None:
        with make_build(tmp_path / str(number), state=tmp_path / "state", build_id=f"b{number}") as build:
            started.wait()
            paths.append(frozen(build, KEY, "it", written("made", times)).data)

    threads = [threading.Thread(target=want, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(paths) == 8
    assert len(set(paths)) == 1
    assert times == [1]
    assert (paths[0] / "file").read_text() == "made"


def test_when_the_process_that_makes_it_is_killed_a_waiting_one_makes_it(build: Build) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def stuck(data: Path) -> dict[str, Any]:
            written("half")(data)
            os.write(writing, b"x")
            signal.pause()
            return {}

        frozen(build, KEY, "it", stuck)
        os._exit(0)
    os.read(reading, 1)
    waiting = threading.Event()
    made: list[Snapshot] = []

    def want() -> None:
        waiting.set()
        made.append(frozen(build, KEY, "it", written("whole")))

    thread = threading.Thread(target=want)
    thread.start()
    waiting.wait(10)
    assert not made
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    thread.join(20)
    os.close(reading)
    os.close(writing)
    assert [content(snapshot) for snapshot in made] == ["whole"]
    remove_half_made(build.state)
    assert {path.name for path in (build.state / "snapshots").iterdir()} == {"locks", KEY.digest}
    assert not locks(build)


def test_cleanup_removes_what_is_half_made_unless_it_is_being_made(build: Build) -> None:
    whole = frozen(build, KEY, "it", written("whole"))
    half = build.state / "snapshots" / f"making-{OTHER.digest}-00000000"
    (half / "data").mkdir(parents=True)
    (half / "data").chmod(0o500)
    with (build.state / "snapshots" / "locks" / OTHER.digest).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        remove_half_made(build.state)
        assert half.exists()
    remove_half_made(build.state)
    assert not half.exists()
    assert not locks(build)
    assert content(whole) == "whole"
    remove_half_made(build.state / "nothing yet")


def test_who_looks_at_what_is_there_takes_nothing_from_who_has_the_lock(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever could not hold a snapshot would take it for a damaged one, and throw it away."""
    place = frozen(build, KEY, "it", written("made")).data.parent
    could: list[bool] = []

    @contextlib.contextmanager
    def unheld(directory: Path) -> Iterator[bool]:
        with lock.unheld(directory) as idle:
            hold = Hold.of(directory)
            could.append(hold is not None)
            yield idle

    monkeypatch.setattr(shelf, "unheld", unheld)
    with lock.alone(shelf.lock_of(place), build.check):
        assert shelf.in_use(place)
        assert False not in could
    gc.collect()
    assert not shelf.in_use(place)


def test_an_error_while_making_is_raised_and_the_next_one_tries_again(build: Build) -> None:
    def fails(data: Path) -> dict[str, Any]:
        written("half")(data)
        raise InfrastructureError("no", code="seed-not-loaded")

    with pytest.raises(InfrastructureError, match="no"):
        frozen(build, KEY, "it", fails)
    assert [path.name for path in (build.state / "snapshots").iterdir()] == ["locks"]
    assert not locks(build)
    assert content(frozen(build, KEY, "it", written("whole"))) == "whole"


def test_waiting_for_another_build_ends_with_the_build(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt, events=events) as build:
        frozen(build, OTHER, "other", written("made"))
        with (build.state / "snapshots" / "locks" / KEY.digest).open("wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            timer = threading.Timer(0.3, interrupt.cancel, ("enough",))
            timer.start()
            with pytest.raises(CancelledError):
                frozen(build, KEY, "it", written("again"))
            timer.join()
    assert [event.detail for event in events] == ["it: waiting for another build that is making it"]


def test_a_full_disk_while_making_leaves_nothing_and_is_not_the_changes_fault(build: Build) -> None:
    def full(data: Path) -> dict[str, Any]:
        written("half")(data)
        raise OSError(28, "No space left on device", str(data / "file"))

    with pytest.raises(InfrastructureError, match="No space left on device") as caught:
        frozen(build, KEY, "it", full)
    assert caught.value.code == "snapshot-not-made"
    assert [path.name for path in (build.state / "snapshots").iterdir()] == ["locks"]


def test_a_state_directory_that_cannot_hold_snapshots_is_told_by_its_path(build: Build) -> None:
    (build.state / "snapshots").write_text("in the way")
    with pytest.raises(InfrastructureError, match=f"cannot keep the snapshot {build.state}/snapshots") as caught:
        frozen(build, KEY, "it", written("made"))
    assert caught.value.code == "snapshot-not-made"


def overwritten(data: Path) -> None:
    (data / "file").chmod(0o600)
    (data / "file").write_text("made")
    (data / "file").chmod(0o400)


def truncated(data: Path) -> None:
    (data / "file").chmod(0o600)
    os.truncate(data / "file", 1)
    (data / "file").chmod(0o400)


def removed(data: Path) -> None:
    data.chmod(0o700)
    (data / "file").unlink()
    data.chmod(0o500)


def joined(data: Path) -> None:
    data.chmod(0o700)
    (data / "another").write_text("")
    data.chmod(0o500)


def opened(data: Path) -> None:
    (data / "file").chmod(0o600)


def unmarked(data: Path) -> None:
    (data.parent / "snapshot.json").unlink()


def torn(data: Path) -> None:
    os.truncate(data.parent / "listing.json", 3)


@pytest.mark.parametrize("damage", [overwritten, truncated, removed, joined, opened, unmarked, torn])
def test_a_damaged_snapshot_is_not_used_but_made_again_and_the_log_says_so(
    build: Build, damage: Callable[[Path], None]
) -> None:
    damage(frozen(build, KEY, "it", written("made")).data)
    assert find(build, KEY) is None
    assert "damaged" in told(build)
    assert content(frozen(build, KEY, "it", written("again"))) == "again"
    assert "it: the snapshot is damaged; making it again" in told(build)
    assert content(find(build, KEY)) == "again"


def test_a_link_is_not_frozen_because_its_clones_would_lead_to_the_same_place(build: Build, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")

    def linked(data: Path) -> dict[str, Any]:
        data.mkdir()
        (data / "link").symlink_to(tmp_path / "secret")
        return {}

    with pytest.raises(InfrastructureError, match="neither a file nor a directory") as caught:
        frozen(build, KEY, "it", linked)
    assert caught.value.code == "snapshot-not-made"
    assert (tmp_path / "secret").stat().st_mode & 0o200


def test_snapshots_can_be_passed_through_under_a_strict_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with make_build(tmp_path) as build:
            data = frozen(build, KEY, "it", written("made")).data
    finally:
        os.umask(before)
    assert data.parent.stat().st_mode & 0o777 == 0o755
