"""What goes wrong with a mirror that many use at once, or that was being written to when its builds were killed.

Each hazard makes some tries in a hundred fail with plain git: FETCH_HEAD that another fetch has overwritten, two
fetches that lock the same ref, ``fetch --prune`` while branches move, work trees that are added at the same time, and
objects that are collected while somebody borrows them.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.builtin import mirrors
from thcore.builtin.git import plugin
from thcore.builtin.git_options import GitOptions
from thcore.builtin.git_process import Git
from thcore.builtin.lock import locked
from thcore.model import Attempt, Change, ChangeKind, Seconds
from thcore.testing import make_build
from thcore.testing.repository import Repository

from parts.processes import KILLS, ROUNDS, at_once, forked, killed

pytestmark = pytest.mark.system

PROJECT = "example/project"
BUILDS = 8
SEED = int(os.environ.get("SEED", "4"))


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin" / PROJECT, {f"src/{number}.py": f"{number}\n" for number in range(20)})


@pytest.fixture
def options(tmp_path: Path) -> GitOptions:
    plugin.thcore_preload()  # as builds find it that are forked from the nursery
    return GitOptions(base_url=str(tmp_path / "origin"), retries=0, refresh=Seconds(0.0), spare_trees=0)


def publish(origin: Repository, name: str) -> Change:
    """A change with a file that says which it is."""
    ref = f"refs/changes/{name}/1"
    return Change(PROJECT, ChangeKind.CHANGE, "main", ref, origin.change(ref, {"which": ref}))


def check_out(tmp_path: Path, options: GitOptions, change: Change, build_id: str) -> None:
    """Do it, and see that it is right."""
    with make_build(tmp_path, change=change, build_id=build_id, timeout_s=60) as view:
        checkout = plugin.thcore_checkout(view, options)
    assert (checkout.path / "which").read_text() == change.ref
    assert sorted(path.name for path in (checkout.path / "src").iterdir()) == sorted(f"{n}.py" for n in range(20))
    assert checkout.commit == change.commit


def clean_up(tmp_path: Path, options: GitOptions, build_id: str) -> None:
    with make_build(tmp_path, build_id=build_id) as view:
        plugin.thcore_cleanup(Attempt(build_id, "job", 1, view.workspace.root, view.state), options)


def build(tmp_path: Path, options: GitOptions, changes: Sequence[Change], turn: int, number: int) -> None:
    """Check out one of the changes and clean up after it. The workspace stays, so that it can be looked at."""
    check_out(tmp_path, options, changes[number], f"{turn}-{number}")
    clean_up(tmp_path, options, f"{turn}-{number}")


def eight(origin: Repository, turn: int) -> list[Change]:
    return [publish(origin, f"{turn}{number}") for number in range(BUILDS)]


def tree(tmp_path: Path, build_id: str) -> Path:
    return tmp_path / f"workspace-{build_id}-1" / "source"


def generation(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "state").rglob("[0-9]*.git")
    return found


def sound(repository: Path) -> bool:
    argv = ["git", "-c", "safe.directory=*", "-C", str(repository), "fsck", "--full", "--no-dangling", "--no-progress"]
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def test_eight_processes_that_fetch_eight_changes_get_their_own_and_leave_no_fetch_head(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    for turn in range(ROUNDS):
        at_once(BUILDS, partial(build, tmp_path, lazy, eight(origin, turn), turn))

    assert not (generation(tmp_path) / "FETCH_HEAD").exists()


def test_eight_processes_that_fetch_the_same_ref_do_not_lock_each_other_out(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    for turn in range(ROUNDS):
        same = [publish(origin, str(turn))] * BUILDS

        at_once(BUILDS, partial(build, tmp_path, lazy, same, turn))


@pytest.mark.slow
def test_eight_processes_refresh_a_mirror_whose_branches_move_and_vanish(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    rounds = max(3, ROUNDS)  # there and back again
    for turn in range(rounds):
        changes = eight(origin, turn)
        # A branch becomes a directory of branches, and the other way round.
        origin.branch(f"topic{turn}")
        if turn:
            origin.git("branch", "-D", f"topic{turn - 1}")
            origin.branch(f"topic{turn - 1}/inner")
        if turn > 1:
            origin.git("branch", "-D", f"topic{turn - 2}/inner")
            origin.branch(f"topic{turn - 2}")

        at_once(BUILDS, partial(build, tmp_path, options, changes, turn))

    logs = [log.read_text() for log in tmp_path.glob("workspace-*/artifacts/console.log")]
    assert len(logs) >= rounds * BUILDS
    assert not [log for log in logs if "could not be refreshed" in log]
    tips = origin.git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
    ours = subprocess.run(
        ["git", "-C", str(generation(tmp_path)), "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert ours.stdout.strip() == tips


def test_eight_processes_that_take_and_make_work_trees_never_share_one(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    keeping = evolve(options, spare_trees=3)

    for turn in range(ROUNDS):
        at_once(BUILDS, partial(build, tmp_path, keeping, eight(origin, turn), turn))

    names = [f"{turn}-{number}" for turn in range(ROUNDS) for number in range(BUILDS)]
    inodes = {(tree(tmp_path, name) / "src" / "1.py").stat().st_ino for name in names}
    assert len(inodes) == len(names)
    assert not (generation(tmp_path) / "worktrees").exists()
    assert len(list((tmp_path / "state").rglob("ready-*"))) == 3
    assert not list((tmp_path / "state").rglob("new-*"))


def test_a_refresh_passes_over_refs_that_an_ending_build_takes_away_meanwhile(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, options, [publish(origin, "first")], 0, 0)
    ending = generation(tmp_path) / "refs" / "thcore" / "ending-1"
    ending.mkdir(parents=True, exist_ok=True)
    scandir, taken = os.scandir, []

    def scan(place: Any = ".") -> Any:
        if place == ending or place == str(ending):
            ending.rmdir()
            taken.append(place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", scan)
    build(tmp_path, options, [publish(origin, "second")], 1, 0)

    assert taken


def test_packs_are_joined_under_eight_processes_and_what_ended_builds_borrowed_stays_readable(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "_MANY_PACKS", 3)
    lazy = evolve(options, refresh=Seconds(3600.0))
    for turn in range(ROUNDS):
        changes = eight(origin, turn)
        at_once(BUILDS, partial(build, tmp_path, lazy, changes, turn))
        # Nothing holds the commits any more, neither here nor there; the work trees are still there.
        for change in changes:
            origin.drop(str(change.ref))
    check_out(tmp_path, lazy, publish(origin, "last"), "last")

    assert len(list((generation(tmp_path) / "objects" / "pack").glob("*.pack"))) < 10
    for turn in range(ROUNDS):
        for number in range(BUILDS):
            assert sound(tree(tmp_path, f"{turn}-{number}"))


def test_packs_are_not_joined_while_another_build_is_at_the_mirror(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = evolve(options, refresh=Seconds(3600.0))
    for number in range(3):
        check_out(tmp_path, lazy, publish(origin, str(number)), f"b{number}")
    packs = generation(tmp_path) / "objects" / "pack"
    before = sorted(packs.iterdir())
    monkeypatch.setattr(mirrors, "_MANY_PACKS", 2)

    with make_build(tmp_path) as view:
        mirror = mirrors.Mirror(generation(tmp_path).parent, Git(view, 60.0))
        with locked(generation(tmp_path).parent / "lock", lambda: None, shared=True):
            mirror.tidy(generation(tmp_path))
        assert sorted(packs.iterdir()) == before
        mirror.tidy(generation(tmp_path))
    assert len(list(packs.iterdir())) < len(before)


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_mirror_survives_kills_at_any_moment(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "_MANY_PACKS", 3)
    keeping = evolve(options, spare_trees=1)
    moments = random.Random(SEED)
    pause = threading.Event()

    def doomed(number: int) -> None:
        for turn in range(1000):
            build(tmp_path, keeping, changes, turn, (number + turn) % KILLS)

    changes = [publish(origin, str(number)) for number in range(KILLS)]
    build(tmp_path, keeping, changes, KILLS, 0)
    began = time.monotonic()
    build(tmp_path, keeping, changes, KILLS, 1)
    cycle_s = time.monotonic() - began
    for number in range(KILLS):
        # Branches move, so that there is something to fetch for the mirror itself.
        origin.git("branch", "--force", f"moving/{number % 3}", str(changes[number].commit))
        child = forked(partial(doomed, number))
        pause.wait(moments.uniform(0.0, 1.5 * cycle_s))
        killed(child, with_descendants=moments.random() < 0.5)

        build(tmp_path, keeping, changes, KILLS + 1, number)

    last = generation(tmp_path)
    assert last.name == "1.git", "no kill has damaged it, so that it was never made anew"
    assert sound(last)
    place = next((tmp_path / "state").rglob("used")).parent
    with locked(last.parent / "lock", lambda: None), locked(place / "lock", lambda: None):
        assert not [*last.rglob("tmp_*"), *last.rglob("*.keep"), *place.glob("new-*")]
    assert len(list(place.glob("ready-*"))) == 1
