from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from thcore.errors import CancelledError
from thcore.model import Command
from thcore.process import BuildLog, Identity, Interrupt, become_subreaper, descendants, end, end_session, run
from thcore.process.group import end_owner


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def subreaper() -> Iterator[None]:
    assert become_subreaper()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


def start(code: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python child in a session of its own that has said it is ready."""
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", code, *arguments], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.stdout.close()
    return child


FAMILY = """
import os, signal, time
for number in range(3):
    if os.fork() == 0:
        if number == 1:
            os.setsid()
        if number == 2:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
os.write(1, b"ready\\n")
time.sleep(1000)
"""


def test_a_process_its_group_and_its_descendants_are_ended() -> None:
    child = start(FAMILY)
    family = [process.pid for process in descendants(child.pid)]
    assert len(family) == 3
    assert end(child.pid, 0.2) == ()
    assert all(gone(pid) for pid in family)
    assert child.wait(10) == -signal.SIGTERM  # it was left for us to reap


def test_no_grace_is_waited_for_when_all_obey() -> None:
    child = start("import os, time\nos.write(1, b'ready\\n')\ntime.sleep(1000)")
    started = time.monotonic()
    assert end(child.pid, 60) == ()
    assert time.monotonic() - started < 30
    child.wait(10)


def test_ending_what_has_ended_does_nothing() -> None:
    child = start("import os\nos.write(1, b'ready\\n')")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert descendants(child.pid) == []
    assert end(child.pid, 1) == ()
    assert child.wait(10) == 0
    assert descendants(child.pid) == []


def test_a_session_is_ended_as_a_whole_but_not_the_callers() -> None:
    child = start(FAMILY.replace("if number == 1:\n            os.setsid()", ""))
    family = [process.pid for process in descendants(child.pid)]
    assert len(family) == 3
    leader = Identity.of(child.pid)
    assert leader is not None
    assert end_session(leader, 0.2) == ()
    assert all(gone(pid) for pid in family)
    assert child.wait(10) == -signal.SIGTERM
    with pytest.raises(ValueError, match="its own session"):
        end_session(Identity("", os.getsid(0), 0), 1)


def test_processes_that_multiply_while_they_are_ended_do_not_get_away() -> None:
    child = start(
        """
import os, signal, time
def again(number, frame):
    if os.fork() == 0:
        time.sleep(1000)
signal.signal(signal.SIGTERM, again)
for number in range(10):
    if os.fork() == 0:
        break
else:
    os.write(1, b"ready\\n")
while True:
    time.sleep(1000)
"""
    )
    assert end(child.pid, 0.3) == ()
    assert child.wait(10) == -signal.SIGKILL
    assert [pid for pid in psutil.pids() if not gone(pid) and os.getsid(pid) == child.pid] == []


def test_a_bystander_is_spared() -> None:
    bystander = subprocess.Popen(["/bin/sleep", "1000"])
    grouped = subprocess.Popen(["/bin/sleep", "1000"], process_group=0)
    try:
        assert end(grouped.pid, 5) == ()
        assert bystander.poll() is None
        assert grouped.wait(10) == -signal.SIGTERM
    finally:
        bystander.kill()
        bystander.wait()


ORPHANS = """
import os, pathlib, sys, time
for number in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            for stream in (0, 1, 2):
                os.close(stream)
            pathlib.Path(sys.argv[1], str(os.getpid())).touch()
            time.sleep(1000)
        os._exit(0)
while len(os.listdir(sys.argv[1])) < 20:
    time.sleep(0.01)
pathlib.Path(sys.argv[2]).write_text("ready")
time.sleep(1000)
"""


def test_orphans_in_sessions_of_their_own_are_found_by_a_subreaper(tmp_path: Path, subreaper: None) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    bystander = subprocess.Popen(["/bin/sleep", "1000"])
    try:
        with BuildLog(tmp_path / "log") as log, Interrupt() as interrupt:
            command = Command((sys.executable, "-S", "-c", ORPHANS, str(pids), str(ready)))

            def cancel() -> None:
                ready.read_text()
                interrupt.cancel("enough")

            thread = threading.Thread(target=cancel)
            thread.start()
            with pytest.raises(CancelledError):
                run(command, log, interrupt)
            thread.join()
        orphans = [int(path.name) for path in pids.iterdir()]
        assert len(orphans) == 20
        assert all(gone(pid) for pid in orphans)
        assert psutil.Process().children() == [psutil.Process(bystander.pid)]  # all were reaped
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_dead_orphans_are_reaped_after_a_run(tmp_path: Path, subreaper: None) -> None:
    with BuildLog(tmp_path / "log") as log, Interrupt() as interrupt:
        script = "(setsid sh -c 'sleep 0.1 & exit') ; sleep 0.5"
        assert run(Command(("/bin/sh", "-c", script), env={"PATH": os.environ["PATH"]}), log, interrupt).ok
    assert psutil.Process().children() == []


OWNER = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    for _ in range(20):
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)
    os._exit(0)
os.wait()
os.write(1, b"ready\\n")
while True:
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    time.sleep(0.01)
"""


def test_an_owner_that_goes_on_starting_processes_is_ended_with_all_of_them() -> None:
    child = start(OWNER)
    owner = Identity.of(child.pid)
    assert owner is not None
    family = [process.pid for process in descendants(child.pid)]
    assert len(family) >= 20
    assert end_owner(owner, 0.2)
    assert child.wait(10) == -signal.SIGKILL
    assert all(gone(pid) for pid in family)
    assert [pid for pid in psutil.pids() if OWNER in " ".join(cmdline(pid)) and not gone(pid)] == []


def cmdline(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def test_an_owner_that_ends_by_itself_is_not_killed() -> None:
    child = start("import os, time\nos.write(1, b'ready\\n')\ntime.sleep(0.2)")
    owner = Identity.of(child.pid)
    assert owner is not None
    assert not end_owner(owner, 60)
    assert child.wait(10) == 0
    assert not end_owner(owner, 60), "it is gone"


def test_a_process_that_has_the_number_of_an_owner_now_is_spared() -> None:
    bystander = subprocess.Popen(["/bin/sleep", "1000"], start_new_session=True)
    now = Identity.of(bystander.pid)
    assert now is not None
    former = Identity(now.boot, now.pid, now.ticks - 1)
    assert not end_owner(former, 0)
    assert end_session(former, 0) == ()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
