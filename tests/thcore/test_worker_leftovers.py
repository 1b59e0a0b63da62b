from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import define, evolve, field

from thcore.hooks import hookimpl
from thcore.model import Attempt, BuildRequest, Change, ChangeKind, WorkerInfo
from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.pipeline.lifecycle import Surroundings
from thcore.plugins import Plugins
from thcore.process import Identity, cgroups
from thcore.process.cgroups import Cgroup
from thcore.worker import leftovers
from thcore.worker.evidence import Evidence
from thcore.worker.generation import Generation
from thcore.worker.journal import AttemptEntry, BuildEntry, Journal
from thcore.worker.spool import Spool
from thcore.worker.supervise import Stores

REQUEST = BuildRequest("b1", "job", Change("example/project", ChangeKind.BRANCH, branch="main"), {}, "1/check")


class Cleaner:
    """Notes what it is asked to clean up."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.options: list[Any] = []

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt, options: Any) -> None:
        self.attempts.append(attempt)
        self.options.append(options)


@define
class Dead:
    """What a worker that died has left: its state directory with one attempt in it."""

    state: Path
    root: Path
    cleaner: Cleaner = field(factory=Cleaner)

    @property
    def stores(self) -> Stores:
        state = self.state
        return Stores(state / "work", Journal.of(state), Evidence.below(state), Spool(state / "spool"))

    @property
    def verdicts(self) -> list[str | None]:
        build = self.stores.journal.build("b1")
        return [] if build is None else [attempt.verdict for attempt in build.attempts]

    def attempt(self, process: Identity | None = None, cgroup: Cgroup | None = None) -> AttemptEntry:
        return AttemptEntry(1, str(self.root), process, None if cgroup is None else str(cgroup.path))

    def clear(self, *attempts: AttemptEntry) -> int:
        """Start again with these attempts in the journal."""
        build = BuildEntry(REQUEST)
        for attempt in attempts:
            build = self.stores.journal.begin(build, attempt)
        plugins = Plugins()
        plugins.add("cleaner", self.cleaner)
        surroundings = Surroundings(plugins, WorkerInfo("", "", ""), self.state, grace_s=0.2)
        config: Any = SimpleNamespace(kill_grace=0.2, directories=SimpleNamespace(state=self.state))
        nursery: Any = None
        return len(leftovers.clear(self.stores, Generation(config, {}, surroundings, nursery)))


@pytest.fixture
def dead(tmp_path: Path) -> Dead:
    state = tmp_path / "state"
    return Dead(state, workspace.create(state / "work", "b1", 1).root)


@pytest.fixture
def sleep() -> Iterator[Any]:
    """Starts programs that sleep."""
    with ExitStack() as stack:

        def start(*argv: str, **more: Any) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(argv or ("/bin/sleep", "1000"), start_new_session=True, **more)
            stack.callback(child.wait)
            stack.callback(child.kill)
            return child

        yield start


def identity(child: subprocess.Popen[bytes]) -> Identity:
    found = Identity.of(child.pid)
    assert found is not None
    return found


def ended(child: subprocess.Popen[bytes]) -> bool:
    """It sleeps for longer than any test takes. How it ended is not to be had: what ended it has reaped it."""
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_the_process_of_a_build_is_ended_with_all_below_it(dead: Dead) -> None:
    script = "setsid sleep 1000 & echo $!; wait"
    child = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    with child.stdout:
        below = Identity.of(int(child.stdout.readline()))
    assert below is not None
    assert dead.clear(dead.attempt(identity(child))) == 1
    assert ended(child)
    assert not below.alive()
    assert dead.verdicts == ["LOST"]


def test_a_process_that_has_the_number_now_is_never_touched(dead: Dead, sleep: Any) -> None:
    child = sleep()
    known = identity(child)
    older = evolve(known, ticks=known.ticks - 1)
    earlier_boot = evolve(known, boot="00000000-0000-4000-8000-000000000000")
    assert dead.clear(dead.attempt(older), evolve(dead.attempt(earlier_boot), attempt=2)) == 2
    assert known.alive()


def test_a_journal_that_is_none_of_ours_is_put_aside_and_its_numbers_are_not_believed(dead: Dead, sleep: Any) -> None:
    child = sleep()
    other = [{"build_id": "b1", "attempt": 1, "workspace": str(dead.root), "pid": child.pid, "verdict": None}]
    (dead.state / "journal").mkdir()
    (dead.state / "journal" / "b1.json").write_text(json.dumps(other))
    assert dead.clear() == 0
    assert identity(child).alive()
    assert not dead.root.exists()
    assert (dead.state / "journal" / "b1.json.unreadable").exists()


def test_an_attempt_is_read_as_it_was_written(dead: Dead) -> None:
    attempt = dead.attempt(Identity.of(os.getpid()), Cgroup(Path("/sys/fs/cgroup/thcore-1/2")))
    dead.stores.journal.begin(BuildEntry(REQUEST), attempt)
    build = dead.stores.journal.build("b1")
    assert build is not None
    assert build.attempts == (attempt,)


def test_an_attempt_that_has_its_verdict_is_only_put_away(dead: Dead) -> None:
    assert dead.clear(evolve(dead.attempt(), verdict="SUCCESS", answered=True)) == 0
    assert dead.verdicts == ["SUCCESS"]
    assert [attempt.number for attempt in dead.cleaner.attempts] == [1]
    assert not dead.root.exists()
    assert dead.stores.spool.entries() == ()


def test_a_process_with_the_name_of_the_workspace_in_its_environment_is_ended(dead: Dead, sleep: Any) -> None:
    ours = sleep(env={WORKSPACE_VARIABLE: str(dead.root)})
    anothers = sleep(env={WORKSPACE_VARIABLE: f"{dead.root}-2"})
    dead.clear(dead.attempt())
    assert ended(ours)
    assert identity(anothers).alive()


def test_a_process_without_environment_that_works_in_the_workspace_is_ended(dead: Dead, sleep: Any) -> None:
    since = identity(sleep(env={}))
    inside = sleep(cwd=dead.root / "artifacts", env={})
    program = dead.root / "program"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    of_its_own = sleep(str(program), "1000", cwd="/", env={})
    dead.clear(dead.attempt(evolve(since, pid=2**22 + 1)))
    assert ended(inside)
    assert ended(of_its_own)


def test_a_process_that_was_there_before_the_attempt_is_spared(dead: Dead, sleep: Any) -> None:
    before = identity(sleep(cwd=dead.root, env={}))
    dead.clear(dead.attempt(evolve(before, pid=2**22 + 1, ticks=before.ticks + 1)))
    assert before.alive()


def test_whoever_looks_into_the_workspace_is_spared(dead: Dead, sleep: Any) -> None:
    since = identity(sleep(env={}))
    controller, terminal = pty.openpty()
    code = "import fcntl, termios, time; fcntl.ioctl(0, termios.TIOCSCTTY, 0); print(flush=True); time.sleep(1000)"
    operator = sleep(sys.executable, "-c", code, stdin=terminal, stdout=subprocess.PIPE, cwd=dead.root)
    operator.stdout.readline()
    operator.stdout.close()
    log = dead.root / "artifacts" / "console.log"
    log.touch()
    with log.open() as held:
        shipper = sleep(stdin=held, cwd="/")
    dead.clear(dead.attempt(evolve(since, pid=2**22 + 1)))
    assert identity(operator).alive()
    assert identity(shipper).alive()
    os.close(controller)
    os.close(terminal)


@pytest.fixture
def place(dead: Dead) -> Cgroup:
    found = cgroups.place(dead.state)
    if found is None:
        pytest.skip("this machine lets us make no control groups")
    return found


def grouped(sleep: Any, group: Cgroup) -> subprocess.Popen[bytes]:
    child: subprocess.Popen[bytes] = sleep(env={}, cwd="/")
    (group.path / "cgroup.procs").write_text(str(child.pid))
    return child


def test_control_groups_are_ended_whether_the_journal_knows_them_or_not(
    dead: Dead, sleep: Any, place: Cgroup, tmp_path: Path
) -> None:
    # A worker that was started in another place before: only the journal knows where.
    elsewhere = cgroups.place(tmp_path)
    assert elsewhere is not None
    known, unknown = grouped(sleep, elsewhere.make("1-1")), grouped(sleep, place.make("1-2"))
    place.make("1-3")
    dead.clear(dead.attempt(cgroup=Cgroup(elsewhere.path / "1-1")))
    assert ended(known)
    assert ended(unknown)
    assert not place.path.exists()
    elsewhere.remove()


def test_the_control_groups_of_another_worker_are_left_alone(
    dead: Dead, sleep: Any, place: Cgroup, tmp_path: Path
) -> None:
    another = cgroups.place(tmp_path)
    assert another is not None
    child = grouped(sleep, another.make("1-1"))
    dead.clear(dead.attempt())
    assert identity(child).alive()
    another.end()


def test_plugins_clean_up_after_a_job_that_is_not_configured_any_more(dead: Dead) -> None:
    dead.clear(dead.attempt())
    assert [(attempt.build_id, attempt.number) for attempt in dead.cleaner.attempts] == [("b1", 1)]
    assert dead.cleaner.options == [None]
    assert dead.clear() == 0, "it is done once"


def test_workspaces_that_no_journal_knows_are_removed(dead: Dead) -> None:
    assert dead.clear() == 0
    assert list((dead.state / "work").iterdir()) == []
