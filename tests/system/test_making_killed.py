"""A real worker is killed at random moments while its builds make snapshots and environments, and judges on.

``THCORE_KILLS`` says how often, ``THCORE_KILLS_SEED`` repeats a run. With ``-s`` there is a line for every kill.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thcore.builtin import seal
from thcore.builtin.lock import locked_if_free
from thcore.testing.gearmand import Gearmand
from thplugins_dbmigration.snapshots import shelf
from thplugins_dbmigration.snapshots.lock import alone_if_free

from parts.environment_maker import damaged
from parts.renewed import KINDS, PROJECT, Renewed
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

SEED = int(os.environ.get("THCORE_KILLS_SEED", "20261127"))
KILLS = int(os.environ.get("THCORE_KILLS", "6"))
PATIENCE_S = 180
URL = "http://127.0.0.1/"

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300 + 90 * KILLS)]


class Ground:
    """A project that is made new again and again, and the worker that judges it; ``bounds`` are of its plugins."""

    def __init__(self, root: Path, server: str, zuul: Zuul) -> None:
        self.root = root
        self.server = server
        self.zuul = zuul
        self.project = Renewed(root)
        self.bounds: dict[str, dict[str, int]] = {}
        self.results = root / "results"
        self.results.mkdir()
        self.state = root / "worker" / "state"

    def worker(self) -> Worker:
        plugins = {
            "git": {"base_url": str(self.root / "origin")},
            "publish_local": {"path": str(self.results), "url": URL},
        }
        return Worker(
            self.root / "worker",
            self.server,
            self.project.jobs(),
            defaults={"plugins": plugins},
            plugins=self.bounds,
            slots=len(KINDS),
            own_group=True,
        )

    def launch(self, kind: str, ref: str) -> ZuulBuild:
        _, _, _, number, patchset = ref.split("/")
        return self.zuul.launch(
            kind,
            ZUUL_PROJECT=PROJECT,
            ZUUL_BRANCH="main",
            ZUUL_REF=ref,
            ZUUL_COMMIT=None,
            ZUUL_URL=str(self.root / "origin"),
            ZUUL_CHANGE=number,
            ZUUL_PATCHSET=patchset,
        )

    def place(self, build: ZuulBuild) -> Path:
        """Where the evidence of a build that has ended is."""
        assert build.url is not None
        return self.results / build.url.removeprefix(URL)

    def pass_good(self, builds: list[ZuulBuild]) -> None:
        for build in builds:
            assert build.wait(PATIENCE_S) == "SUCCESS", f"{build.job}: {build.data[-1]}"

    def fail_bad(self, kind: str, number: int) -> None:
        """One build alone, which its data must fail, and which finds nothing locked."""
        build = self.launch(kind, self.project.bad(number))
        assert build.wait(PATIENCE_S) == "FAILURE", f"{kind}: {build.data[-1]}"
        (dataset,) = json.loads((self.place(build) / "result.json").read_text())["datasets"]
        assert dataset["steps"][-1]["step"]["version"] == "0003"
        assert "waiting for another build" not in (self.place(build) / "console.log").read_text()
        self.wait_idle()

    def wait_idle(self) -> None:
        """Wait until the worker has cleaned up after all its builds."""
        users = self.environments / "*" / "users" / "*"
        wait_until(lambda: not any((self.state / "work").iterdir()), "no workspace is left")
        wait_until(lambda: not any(self.root.glob(str(users.relative_to(self.root)))), "no environment is used")

    @property
    def environments(self) -> Path:
        return only((self.state / "plugins").glob("*/environments"))

    @property
    def snapshots(self) -> Path:
        """The state directory of the plugin whose snapshots are in there."""
        return only((self.state / "plugins").glob("*/snapshots")).parent

    def half_made(self) -> list[str]:
        """What is on its way to being a snapshot or an environment, or to being removed."""
        plugins = self.state / "plugins"
        found = [*plugins.glob("*/snapshots/making-*"), *plugins.glob("*/snapshots/gone-*")]
        found += [path for path in plugins.glob("*/environments/*/") if not (path / "OK").exists()]
        return sorted(path.name for path in found)

    def locked(self) -> list[str]:
        """Locks that somebody has."""
        found = []
        for lock in (self.snapshots / "snapshots" / "locks").glob("*"):
            with alone_if_free(lock) as free:
                found += [] if free else [lock.name]
        for lock in self.environments.glob("*.lock"):
            with locked_if_free(lock) as held:
                found += [] if held else [lock.name]
        return found

    def sizes(self) -> tuple[int, int]:
        """Bytes of all snapshots' data, as files are long, and of all environments on the disk."""
        data = (path for path in (self.snapshots / "snapshots").glob("*/data/**/*") if path.is_file())
        return sum(path.lstat().st_size for path in data), sum(map(seal.size, self.environments.glob("*/")))

    def check(self, worker: Worker) -> None:
        """Nothing is damaged, half made or locked."""
        verified = worker.command("snapshots", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert len(verified.stdout.splitlines()) == len(shelf.places(self.snapshots)) > 0
        assert damaged(self.environments) == []
        assert self.half_made() == []
        assert self.locked() == []


def duration_s(build: ZuulBuild) -> float:
    """From when it was taken to its result."""
    assert build.started_at is not None
    return build.packets[-1].at - build.started_at


def only(found: Any) -> Path:
    (path,) = found
    assert isinstance(path, Path)
    return path


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"never happened: {what}")
        time.sleep(0.02)  # files of another program: nothing to wait on


def kill(worker: Worker, whom: str) -> None:
    """SIGKILL to the worker alone, to its process group or to all its processes."""
    match whom:
        case "worker":
            worker.process.kill()
        case "group":
            os.killpg(worker.pid, signal.SIGKILL)
        case "everything":
            worker.kill_all()
    worker.wait()


@pytest.fixture
def ground(tmp_path: Path, gearmand: Gearmand, zuul: Zuul) -> Ground:
    return Ground(tmp_path, gearmand.address, zuul)


def test_a_worker_killed_while_it_makes_things_uses_none_that_is_damaged_and_stays_in_its_bounds(
    ground: Ground, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    with ground.worker() as worker:
        ref = ground.project.good(1000)
        builds = [ground.launch(kind, ref) for kind in KINDS]
        ground.pass_good(builds)
        took_s = min(map(duration_s, builds))
        ground.wait_idle()
        ground.check(worker)
    snapshots, environments = ground.sizes()
    # Room for what all three want at the same moment, and less than for two rounds of it.
    ground.bounds = {
        "dbmigration": {"snapshot_size": snapshots * 4 // 3},
        "venv": {"max_size": environments * 5 // 2},
    }
    print(f"\nseed {SEED}: kills within {took_s:.1f} s, {snapshots} bytes of snapshots, {environments} of environments")

    caught = 0
    for number in range(1001, 1001 + KILLS):
        reseeded = chance.sample(KINDS, chance.randint(0, len(KINDS)))
        required = not reseeded or chance.random() < 0.5
        whom = chance.choice(("worker", "group", "everything"))
        moment, last = chance.uniform(0, took_s), chance.choice(KINDS)
        ground.project.reseed(reseeded)
        if required:
            ground.project.require_another()
        with contextlib.ExitStack() as stack:
            struck = ground.worker()
            stack.callback(struck.stop)
            struck.start()
            ref = ground.project.good(number)
            builds = [ground.launch(kind, ref) for kind in KINDS]
            for build in builds:
                build.wait_started()
            threading.Event().wait(moment)  # the moment is chance
            half_made = ground.half_made()  # now: builds that see the worker go tidy up themselves
            kill(struck, whom)
        ended = sum(build.ended for build in builds)
        caught += bool(half_made)
        print(
            f"kill {number - 1000}: {whom} after {moment:.1f} s, new: {', '.join(reseeded) or 'no seed'}"
            f"{' and the requirement' if required else ''}; half made: {len(half_made)}, ended before: {ended}",
            flush=True,
        )
        with ground.worker() as worker:
            ground.pass_good(builds)
            ground.wait_idle()
            ground.fail_bad(last, number)
            ground.check(worker)
            snapshots, environments = ground.sizes()
        assert snapshots <= ground.bounds["dbmigration"]["snapshot_size"]
        assert environments <= ground.bounds["venv"]["max_size"]
    record_property("figures", f"seed {SEED}: {KILLS} kills, {caught} of them while something was half made")
    assert caught >= KILLS // 4, "hardly any was killed while it made something"
