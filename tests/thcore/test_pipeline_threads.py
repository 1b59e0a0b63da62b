"""A build that is used by several threads at once."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from attrs import evolve, frozen

from thcore.builtin.git_process import Git, GitCallError
from thcore.errors import CancelledError, DeadlineError, StoppedError
from thcore.hooks import Build, hookimpl, option
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    Checkout,
    Command,
    CommandResult,
    Progress,
    Provision,
    Revision,
    Verdict,
)
from thcore.pipeline.build import _numbered
from thcore.process import Interrupt, become_subreaper, kin
from thcore.testing import make_build, run_job
from thcore.testing.fakes import FakeCheckout, FakeEnvironment, FakeExecutor

THREADS = 6


@pytest.fixture
def subreaper() -> Iterator[None]:
    assert become_subreaper()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Future[Any]]:
    """Do a work in several threads that begin at the same moment; all have ended afterwards."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return [pool.submit(begin, number) for number in range(count)]


def shell(script: str, *arguments: str, **options: Any) -> Command:
    return Command(("/bin/sh", "-c", script, "sh", *arguments), **options)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_programs_that_threads_run_at_once_each_end_as_they_do(tmp_path: Path, subreaper: None) -> None:
    with make_build(tmp_path) as build:

        def work(number: int) -> list[tuple[int | None, bytes]]:
            # Each leaves an orphan in a session of its own, which ends at once and is to be reaped.
            script = "(setsid true &) ; echo $1 ; exit $1"
            results = [build.run(shell(script, str(number), capture=True)) for _ in range(12)]
            return [(result.exit_code, result.stdout) for result in results]

        for number, done in enumerate(together(work)):
            assert done.result() == [(number, b"%d\n" % number)] * 12


DAEMON = """
import os, pathlib, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for stream in (0, 1, 2):
            os.close(stream)
        pathlib.Path(sys.argv[1] + ".new").write_text(str(os.getpid()))
        os.rename(sys.argv[1] + ".new", sys.argv[1])
        time.sleep(1000)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
pathlib.Path(sys.argv[2]).write_text("ready")
"""
"""Leaves a daemon, writes down its number, and says that it is ready."""
TALK = """
import socket
pathlib.Path(sys.argv[3]).read_text()
socket.socket(fileno=int(os.environ["THCORE_CHANNEL"])).send(b"hello\\n")
"""
STAY = "time.sleep(1000)\n"


@frozen
class Daemonic:
    """A program that leaves a daemon and does something ``then``: TALK, once it is told to go on, or STAY."""

    place: Path
    then: str

    def command(self) -> Command:
        for name in ("ready", "go"):
            os.mkfifo(self.place / name)
        names = [str(self.place / name) for name in ("pid", "ready", "go")]
        return Command((sys.executable, "-S", "-c", DAEMON + self.then, *names))

    def daemon(self) -> int:
        """Wait until the daemon is there; its number."""
        (self.place / "ready").read_text()
        return int((self.place / "pid").read_text())

    def go_on(self) -> None:
        (self.place / "go").write_text("go")


def test_what_ends_one_program_spares_the_orphans_of_another(tmp_path: Path, subreaper: None) -> None:
    def say(_line: str) -> str | None:
        raise ValueError("enough of this one")

    with Interrupt() as interrupt, make_build(tmp_path, interrupt=interrupt) as build, ThreadPoolExecutor(2) as pool:
        ours, theirs = Daemonic(tmp_path / "ours", TALK + STAY), Daemonic(tmp_path / "theirs", STAY)
        for program in (ours, theirs):
            program.place.mkdir()
        one = pool.submit(build.run, ours.command(), converse=say)
        our_daemon = ours.daemon()
        other = pool.submit(build.run, theirs.command())
        their_daemon = theirs.daemon()
        ours.go_on()
        with pytest.raises(ValueError, match="enough"):
            one.result()
        assert gone(our_daemon)
        assert not gone(their_daemon)
        assert not other.done()
        interrupt.cancel("enough of all")
        with pytest.raises(CancelledError):
            other.result()
        assert gone(their_daemon)


def test_a_program_is_no_orphan_while_it_is_being_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, known = threading.Event(), threading.Event()
    original = subprocess.Popen

    def slow(*arguments: Any, **options: Any) -> Any:
        process = original(*arguments, **options)
        begun.set()
        assert not known.wait(0.3), "nobody may look for orphans meanwhile"
        return process

    def look() -> list[psutil.Process]:
        begun.wait(60)
        found = kin.adopted(set())
        known.set()
        return found

    with make_build(tmp_path) as build, ThreadPoolExecutor(2) as pool:
        looked = pool.submit(look)
        monkeypatch.setattr(subprocess, "Popen", slow)
        assert pool.submit(build.run, shell("exit 3")).result().exit_code == 3
        assert looked.result() == []


def test_git_that_a_thread_runs_is_no_orphan_of_another_threads_program(tmp_path: Path) -> None:
    ready, go = tmp_path / "ready", tmp_path / "go"
    for fifo in (ready, go):
        os.mkfifo(fifo)
    wait = f"alias.wait=!echo > {ready}; read word < {go}; exit 3"
    with make_build(tmp_path) as build, ThreadPoolExecutor(1) as pool:
        call = pool.submit(Git(build, 60.0), "-c", wait, "wait")
        ready.read_text()

        try:
            assert kin.adopted(set()) == []
        finally:
            go.write_text("go\n")
        with pytest.raises(GitCallError, match="status 3"):
            call.result()


@pytest.mark.parametrize("end", [CancelledError, DeadlineError], ids=["cancel", "deadline"])
def test_the_end_of_a_build_ends_the_programs_of_all_threads_and_is_raised_in_each(
    end: type[StoppedError], tmp_path: Path
) -> None:
    fifo = tmp_path / "ready"
    os.mkfifo(fifo)
    ready = os.fdopen(os.open(fifo, os.O_RDWR), "r")
    # By the deadline some programs run, as a rule all; what matters is that none goes on.
    deadline = time.monotonic() + 3 if end is DeadlineError else None
    with ready, Interrupt(deadline) as interrupt, make_build(tmp_path, interrupt=interrupt) as build:

        def work(number: int) -> CommandResult:
            if number % 2:
                return build.run(shell("echo $$ > $1; exec sleep 1000", str(fifo)))
            with build.service(Command(("sleep", "1000")), log=tmp_path / f"{number}.log"):
                return build.run(shell("echo $$ > $1; sleep 1000 & wait", str(fifo)))

        def cancel_when_all_are_there() -> list[int]:
            there = [int(ready.readline()) for _ in range(THREADS)]
            interrupt.cancel("enough")
            return there

        with ThreadPoolExecutor(1) as pool:
            pids = pool.submit(cancel_when_all_are_there if end is CancelledError else list)
            for done in together(work):
                with pytest.raises(end):
                    done.result()
        if end is DeadlineError:
            os.set_blocking(ready.fileno(), False)
        assert all(gone(int(pid)) for pid in [*pids.result(), *(ready if end is DeadlineError else ())])
        assert [child for child in psutil.Process().children(recursive=True) if child.name() == "sleep"] == []


def test_lines_of_several_threads_do_not_mix_in_the_log(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:

        def work(number: int) -> None:
            line = str(number) * 3000
            build.run(shell("for i in 1 2 3 4 5 6 7 8 9 10; do echo $1; done", line, source=f"s{number}"))
            build.log(line, source=f"s{number}")

        for done in together(work):
            done.result()
    lines = [line for line in build.workspace.log.read_text().splitlines() if " s" in line]
    assert len(lines) == 11 * THREADS
    assert all(line.endswith(f"s{line[-1]} | {line[-1] * 3000}") for line in lines)


def in_threads(directory: Path, checkout: FakeCheckout, revisions: Sequence[Revision]) -> list[Provision]:
    """What threads are given that ask for revisions at the same moment."""
    made: list[Provision] = []

    def act(build: Build) -> None:
        made.extend(done.result() for done in together(lambda n: build.provision(revisions[n]), len(revisions)))

    outcome, _ = run_job(directory, {"tree": checkout, "environment": FakeEnvironment(), "execute": FakeExecutor(act)})
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    return made


def test_a_revision_that_several_threads_want_is_provisioned_once(tmp_path: Path) -> None:
    checkout = FakeCheckout()
    made = in_threads(tmp_path, checkout, [Revision(tag="1.0")] * THREADS)
    assert all(provision is made[0] for provision in made)
    assert len(checkout.changes) == 2  # the build's own, and this one


def test_revisions_that_threads_want_at_once_are_provisioned_side_by_side_each_in_its_place(tmp_path: Path) -> None:
    there = threading.Barrier(THREADS)

    def meet(build: Build) -> None:
        if build.change.ref is not None:
            there.wait(60)

    made = in_threads(tmp_path, FakeCheckout(meet), [Revision(tag=str(number)) for number in range(THREADS)])
    assert len({provision.checkout.path for provision in made}) == THREADS


class Moving(FakeCheckout):
    """A branch that has moved at each look."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = iter(f"{number:040x}" for number in range(1000))
        self.others = threading.Barrier(2)

    @hookimpl
    def thcore_checkout(self, build: Build) -> Checkout:
        commit = build.change.commit or next(self.commits)
        if build.change.commit is None and build.workspace.root.parent.name == "provisions":
            with contextlib.suppress(threading.BrokenBarrierError):
                self.others.wait(0.5)  # for another that looks as well
        return evolve(super().thcore_checkout(build), commit=commit)


@frozen
class Kind:
    number: int = option("Any.", default=0)


class Various(FakeEnvironment):
    """There are several kinds of this environment."""

    @hookimpl
    def thcore_job_options(self) -> type[Kind]:
        return Kind


def test_a_name_means_one_commit_for_threads_that_prepare_it_in_several_ways(tmp_path: Path) -> None:
    main, seen = Revision(branch="main"), list[str]()

    def act(build: Build) -> None:
        def ask(number: int) -> str:
            if number == 0:
                return build.resolve(main)
            return build.provision(main, options={"environment": {"number": number}}).checkout.commit

        seen.extend(done.result() for done in together(ask))

    stages = {"tree": Moving(), "environment": Various(), "execute": FakeExecutor(act)}
    outcome, _ = run_job(tmp_path, stages, options={"environment": Kind()})
    assert outcome.verdict is Verdict.SUCCESS, outcome.summary
    assert len(set(seen)) == 1


def test_events_are_told_one_after_the_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    class Ear(list[BuildEvent]):
        def append(self, event: BuildEvent) -> None:  # noqa: ARG002 - a list's
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)  # long enough for another thread to come in
            inside.pop()

    with make_build(tmp_path, events=Ear()) as build:

        def tell(number: int) -> None:
            build.emit(Progress(str(number)))
            build.tell(BuildEventKind.STAGE_STARTED)

        for done in together(tell):
            done.result()
    assert most == [1] * (2 * THREADS)


def test_a_directory_that_another_thread_has_just_made_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    assert _numbered(tmp_path) == tmp_path / "3"


def test_the_progress_of_parts_is_told_as_sums_and_with_what_each_is_at(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    with make_build(tmp_path, events=events) as build:
        with build.part() as one:
            one.emit(Progress("small: 1->2", 0, 3))
            with build.part() as two:
                two.emit(Progress("large: restoring"))
                one.emit(Progress("small: 2->3", 1, 3))
                two.emit(Progress("large: 1->2", 4, 7))
            one.emit(Progress("small: 3->4", 2, 3))
        build.emit(Progress("judging", 1, 2))
        with build.part() as later:
            later.emit(Progress("again", 1, 4))
    assert [(event.detail, event.done, event.total) for event in events] == [
        ("small: 1->2", 0, 3),
        ("small: 1->2; large: restoring", 0, 3),
        ("small: 2->3; large: restoring", 1, 3),
        ("small: 2->3; large: 1->2", 5, 10),
        ("small: 3->4", 6, 10),
        ("judging", 1, 2),
        ("again", 1, 4),
    ]
