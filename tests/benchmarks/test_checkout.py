"""How soon a change is checked out, beside turbo-hipster's way: a fresh clone for every job.

A made repository with thousands of files and a long history, on this machine, so that no network is in the figures. The
three ways take turns, each with changes that it has not seen. Cold: the mirror is there, no work tree is. Warm: one is
ready. The larger the history, the larger the ratios: a clone takes it all, we take what is new. ``FILES=4800
COMMITS=44000`` is about the size of nova.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.builtin.git import plugin
from thcore.builtin.git_options import GitOptions
from thcore.model import Attempt, Change, ChangeKind
from thcore.testing import make_build

pytestmark = pytest.mark.system

FILES = int(os.environ.get("FILES", "4800"))
COMMITS = int(os.environ.get("COMMITS", "20000"))
ROUNDS = 5
PROJECT = "example/project"

NOVA = 44000
COLD_GOAL = 15
WARM_GOAL = 300
"""How many times faster than a fresh clone, for a history as long as nova's."""


class Made:
    """A bare repository: ``main``, and changes of two files each under ``refs/changes/NUMBER/1``. Always the same."""

    def __init__(self, path: Path, changes: int) -> None:
        self._random = random.Random(4)
        words = ("instance", "server", "flavor", "column")
        self._words = [f"{word}_{number}" for word in words for number in range(400)]
        self._names = [f"nova/part{number % 60}/layer{number % 7}/module{number}.py" for number in range(FILES)]
        self._texts = {name: [self._line() for _ in range(self._random.randint(20, 200))] for name in self._names}
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
        argv = ["git", "-C", str(path), "fast-import", "--quiet"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as importing:
            assert importing.stdin is not None
            for number in range(COMMITS + changes):
                importing.stdin.write(b"".join(self._commit(number)))
        assert importing.returncode == 0
        # As a server has it: deltas of deltas, not what fast-import makes in haste.
        subprocess.run(["git", "-C", str(path), "repack", "-adfq", "--depth=50", "--window=10"], check=True)

    def _line(self) -> str:
        return " ".join(self._random.choices(self._words, k=8)) + "\n"

    def _commit(self, number: int) -> Iterator[bytes]:
        proposed = number >= COMMITS
        yield f"commit refs/changes/{number - COMMITS}/1\nmark :2\n".encode() if proposed else MAIN
        yield f"committer A <a@example.org> {1_600_000_000 + 60 * number} +0000\ndata 1\n.\n".encode()
        if number:
            yield b"from :1\n"
        for name in self._random.sample(self._names, 2) if number else self._names:
            lines = list(self._texts[name])
            if number:
                lines[self._random.randrange(len(lines))] = self._line()
            if not proposed:
                self._texts[name] = lines
            data = "".join(lines).encode()
            yield f"M 100644 inline {name}\ndata {len(data)}\n".encode() + data


MAIN = b"commit refs/heads/main\nmark :1\n"


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("origin") / PROJECT
    path.parent.mkdir(parents=True)
    Made(path, 3 * ROUNDS)
    return path.parent.parent


def fresh_clone(origin: Path, change: Change, place: Path) -> float:
    """The way of turbo-hipster."""
    url = f"file://{origin}/{PROJECT}"
    began = time.perf_counter()
    for argv in (["clone", "--quiet", url, str(place)], ["fetch", "--quiet", url, str(change.ref)], CHECKOUT):
        subprocess.run(["git", *argv], cwd=place if place.exists() else place.parent, check=True)
    return time.perf_counter() - began


CHECKOUT = ["checkout", "--quiet", "FETCH_HEAD"]


def ours(place: Path, options: GitOptions, change: Change, build_id: str) -> tuple[float, float]:
    """Seconds until the checkout is ready, and of the cleanup after it."""
    with make_build(place, change=change, build_id=build_id) as build:
        began = time.perf_counter()
        checkout = plugin.thcore_checkout(build, options)
        ready = time.perf_counter()
        attempt = Attempt(build_id, "job", 1, build.workspace.root, build.state)
        plugin.thcore_cleanup(attempt, options)
        ended = time.perf_counter()
        assert sum(1 for path in checkout.path.rglob("*.py")) == FILES
        shutil.rmtree(build.workspace.root)
    return ready - began, ended - ready


def test_a_checkout_beside_a_fresh_clone(tmp_path: Path, origin: Path) -> None:
    changes = iter([Change(PROJECT, ChangeKind.CHANGE, "main", f"refs/changes/{n}/1") for n in range(3 * ROUNDS)])
    warm = GitOptions(base_url=f"file://{origin}", spare_trees=2)
    cold = evolve(warm, spare_trees=0)
    plugin.thcore_preload()
    main = Change(PROJECT, ChangeKind.BRANCH, "main")
    for place, options in (("cold", cold), ("warm", warm)):  # the mirrors are there
        ours(tmp_path / place, options, main, "first")
    times: dict[str, list[float]] = {name: [] for name in ("clone", "cold", "warm", "made afterwards")}
    for turn in range(ROUNDS):
        times["clone"].append(fresh_clone(origin, next(changes), tmp_path / f"clone{turn}"))
        shutil.rmtree(tmp_path / f"clone{turn}")
        times["cold"].append(ours(tmp_path / "cold", cold, next(changes), f"b{turn}")[0])
        ready, cleaned = ours(tmp_path / "warm", warm, next(changes), f"b{turn}")
        times["warm"].append(ready)
        times["made afterwards"].append(cleaned)

    print(
        f"\n{FILES} files, {COMMITS} commits, {ROUNDS} rounds; median [least-most], and how many times a clone's speed"
    )
    clone = statistics.median(times["clone"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:16} {middle:8.3f} s  [{min(taken):.3f}-{max(taken):.3f}] {clone / middle:8.1f}")
    if COMMITS >= NOVA:
        assert clone / statistics.median(times["cold"]) >= COLD_GOAL
        assert clone / statistics.median(times["warm"]) >= WARM_GOAL
