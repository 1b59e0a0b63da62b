"""How soon a change is checked out, beside turbo-hipster's way: a fresh clone for every job.

A made repository with thousands of files and a long history, on this machine, so that no network is in the figures. The
three ways take turns, each with changes that it has not seen. Cold: the mirror is there, no work tree is. Warm: one is
ready. The larger the history, the larger the ratios: a clone takes it all, we take what is new. ``FILES=4800
COMMITS=44000`` is about the size of nova (438,000 objects, a pack of 150 MB), for which the goals are 15 times (cold)
and 300 times (warm). Making it takes long; with ``MADE`` it is kept in that directory, and used again.

Processor time, of git included, is told beside the time that passed: it does not depend on who else is at the machine.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest
from attrs import evolve

from thcore.builtin.git import plugin
from thcore.builtin.git_options import GitOptions
from thcore.model import Attempt, Change, ChangeKind
from thcore.testing import make_build

pytestmark = pytest.mark.system

FILES = int(os.environ.get("FILES", "4800"))
COMMITS = int(os.environ.get("COMMITS", "20000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
MADE = os.environ.get("MADE")
GOALS = {"ours, cold": 15, "ours, warm": 300}
"""How many times a clone's speed, of a history as large as nova's."""
EDITS = 4
"""Files that a commit changes, and places in each: with both, objects and pack grow with the commits as nova's do."""
PROJECT = "example/project"


class Stopwatch:
    """Seconds that pass, and seconds of the processor, while its context is open."""

    wall_s = 0.0
    cpu_s = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), spent()
        return self

    def __exit__(self, *_: object) -> None:
        began, before = self._began
        self.wall_s, self.cpu_s = time.perf_counter() - began, spent() - before


def spent() -> float:
    """Processor time of this process and of those that it has waited for, which waited for theirs."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Made:
    """A bare repository: ``main``, and changes of a few files each under ``refs/changes/NUMBER/1``. Always the same.

    All versions of a file are written one after the other, the newest first, so that each is a delta of the one that
    came after it: so has them a server that has packed its repository.
    """

    def __init__(self, path: Path, changes: int) -> None:
        self._random = random.Random(4)
        words = ("instance", "server", "flavor", "column")
        self._words = [f"{word}_{number}" for word in words for number in range(400)]
        names = [f"nova/part{number % 60}/layer{number % 7}/module{number}.py" for number in range(FILES)]
        lengths = [self._length() for _ in names]
        weights = list(itertools.accumulate(lengths))
        # In the longer files there is more to change.
        chosen = [dict.fromkeys(self._random.choices(names, cum_weights=weights, k=EDITS)) for _ in range(changes)]
        grown = [dict.fromkeys(self._random.choices(names, cum_weights=weights, k=EDITS)) for _ in range(COMMITS - 1)]
        self._commits: list[dict[str, int]] = [dict.fromkeys(names, 0), *(dict.fromkeys(each, 0) for each in grown)]
        self._changes: list[dict[str, int]] = [dict.fromkeys(each, 0) for each in chosen]
        self._marks = itertools.count(1)
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
        argv = ["git", "-C", str(path), "-c", "core.compression=1", "fast-import", "--quiet", "--depth=50"]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as importing:
            assert importing.stdin is not None
            turns: dict[str, list[int]] = {name: [] for name in names}
            for number, commit in enumerate(self._commits):
                for name in commit:
                    turns[name].append(number)
            for name, length in zip(names, lengths, strict=True):
                importing.stdin.writelines(self._versions(name, length, turns[name]))
            importing.stdin.writelines(self._history())
        assert importing.returncode == 0

    def _length(self) -> int:
        """Lines of a file: most are short, a few are very long, as in real trees (4,800 files are some 60 MB)."""
        return min(9000, 1 + int(self._random.lognormvariate(3.9, 1.4)))

    def _line(self) -> bytes:
        return " ".join(self._random.choices(self._words, k=8)).encode() + b"\n"

    def _versions(self, name: str, length: int, turns: Sequence[int]) -> Iterator[bytes]:
        """The file in the last commit of ``main`` that has it anew, in each change, and in the commits before."""
        lines = [self._line() for _ in range(length)]
        *before, last = turns
        yield from self._blob(lines, self._commits[last], name)
        for change in self._changes:
            if name in change:
                yield from self._blob(self._edited(list(lines)), change, name)
        for number in reversed(before):
            yield from self._blob(self._edited(lines), self._commits[number], name)

    def _edited(self, lines: list[bytes]) -> list[bytes]:
        for _ in range(EDITS):
            lines[self._random.randrange(len(lines))] = self._line()
        return lines

    def _blob(self, lines: Sequence[bytes], commit: dict[str, int], name: str) -> Iterator[bytes]:
        commit[name] = next(self._marks)
        data = b"".join(lines)
        yield f"blob\nmark :{commit[name]}\ndata {len(data)}\n".encode() + data

    def _history(self) -> Iterator[bytes]:
        tip = 0
        for number, commit in enumerate(self._commits):
            tip, before = next(self._marks), tip
            yield from self._commit("refs/heads/main", tip, before, number, commit)
        for number, change in enumerate(self._changes):
            yield from self._commit(f"refs/changes/{number}/1", next(self._marks), tip, COMMITS + number, change)

    def _commit(self, ref: str, mark: int, before: int, number: int, files: dict[str, int]) -> Iterator[bytes]:
        yield f"commit {ref}\nmark :{mark}\n".encode()
        yield f"committer A <a@example.org> {1_600_000_000 + 60 * number} +0000\ndata 1\n.\n".encode()
        if before:
            yield f"from :{before}\n".encode()
        for name, blob in files.items():
            yield f"M 100644 :{blob} {name}\n".encode()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(MADE) if MADE else tmp_path_factory.mktemp("origin")
    path = root / PROJECT
    if not path.exists():
        path.parent.mkdir(parents=True)
        Made(path, 3 * ROUNDS)
    return root


CHECKOUT = ["checkout", "--quiet", "FETCH_HEAD"]


def fresh_clone(origin: Path, change: Change, place: Path) -> Stopwatch:
    """The way of turbo-hipster."""
    url = f"file://{origin}/{PROJECT}"
    with Stopwatch() as watch:
        for argv in (["clone", "--quiet", url, str(place)], ["fetch", "--quiet", url, str(change.ref)], CHECKOUT):
            subprocess.run(["git", *argv], cwd=place if place.exists() else place.parent, check=True)
    return watch


def ours(place: Path, options: GitOptions, change: Change, build_id: str) -> tuple[Stopwatch, Stopwatch]:
    """Until the checkout is ready, and the cleanup after the build."""
    with make_build(place, change=change, build_id=build_id) as build:
        with Stopwatch() as ready:
            checkout = plugin.thcore_checkout(build, options)
        attempt = Attempt(build_id, "job", 1, build.workspace.root, build.state)
        with Stopwatch() as afterwards:
            plugin.thcore_cleanup(attempt, options)
        assert sum(1 for path in checkout.path.rglob("*.py")) == FILES
        shutil.rmtree(build.workspace.root)
    return ready, afterwards


def test_a_checkout_beside_a_fresh_clone(tmp_path: Path, origin: Path) -> None:
    changes = iter([Change(PROJECT, ChangeKind.CHANGE, "main", f"refs/changes/{n}/1") for n in range(3 * ROUNDS)])
    warm = GitOptions(base_url=f"file://{origin}", spare_trees=2)
    cold = evolve(warm, spare_trees=0)
    plugin.thcore_preload()
    main = Change(PROJECT, ChangeKind.BRANCH, "main")
    for place, options in (("cold", cold), ("warm", warm)):  # the mirrors are there
        ours(tmp_path / place, options, main, "first")
    taken: dict[str, list[Stopwatch]] = {name: [] for name in ("fresh clone", "ours, cold", "ours, warm", "afterwards")}
    for turn in range(ROUNDS):
        taken["fresh clone"].append(fresh_clone(origin, next(changes), tmp_path / f"clone{turn}"))
        shutil.rmtree(tmp_path / f"clone{turn}")
        taken["ours, cold"].append(ours(tmp_path / "cold", cold, next(changes), f"b{turn}")[0])
        ready, afterwards = ours(tmp_path / "warm", warm, next(changes), f"b{turn}")
        taken["ours, warm"].append(ready)
        taken["afterwards"].append(afterwards)

    counted = subprocess.run(
        ["git", "-C", str(origin / PROJECT), "count-objects", "-vH"], check=True, capture_output=True, text=True
    )
    sizes = dict(line.split(": ") for line in counted.stdout.splitlines())
    print(
        f"\n{FILES} files, {COMMITS} commits, {sizes['in-pack']} objects, pack of {sizes['size-pack']}; load of the "
        f"machine {os.getloadavg()[0]:.1f}"
    )
    print(f"median of {ROUNDS}, and how many times a clone's speed")
    print(f"{'':12} {'passed s':>9} {'least':>7} {'most':>7} {'times':>7} {'processor s':>12} {'times':>7}")
    wall = {name: statistics.median(watch.wall_s for watch in watches) for name, watches in taken.items()}
    cpu = {name: statistics.median(watch.cpu_s for watch in watches) for name, watches in taken.items()}
    for name, watches in taken.items():
        every = sorted(watch.wall_s for watch in watches)
        times, cpu_times = wall["fresh clone"] / wall[name], cpu["fresh clone"] / cpu[name]
        passed = f"{wall[name]:9.3f} {every[0]:7.3f} {every[-1]:7.3f} {times:7.0f}"
        print(f"{name:12} {passed} {cpu[name]:12.3f} {cpu_times:7.0f}")
    assert wall["fresh clone"] > wall["ours, cold"] > wall["ours, warm"]
    if FILES >= 4800 and COMMITS >= 44000:
        for name, goal in GOALS.items():
            assert wall["fresh clone"] / wall[name] >= goal, name
