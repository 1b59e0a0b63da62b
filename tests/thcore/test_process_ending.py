from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Command, CommandResult, OomKills
from thcore.process import BuildLog, Interrupt, ending, run, service
from thcore.process.oom import Toll

GREEDY = "import sys; kept = []\nwhile True: kept.append(bytearray(1024 * 1024))"


def python(code: str) -> Command:
    return Command((sys.executable, "-S", "-c", code), env={"PATH": os.environ["PATH"]})


def command(tmp_path: Path, made: Command) -> CommandResult:
    with BuildLog(tmp_path / "log") as log, Interrupt() as interrupt:
        return run(made, log, interrupt)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(3)", CommandResult(3)),
        ("import os; os.kill(os.getpid(), 15)", CommandResult(None, signal.SIGTERM)),
    ],
)
def test_a_look_at_a_child_and_its_wait_status_tell_the_same(code: str, expected: CommandResult) -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", code])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert ending.seen(child.pid) == expected
    assert ending.seen(child.pid) == expected, "it was not reaped"
    assert ending.told(os.waitpid(child.pid, 0)[1]) == expected
    child.returncode = 0


def test_a_child_that_runs_has_not_ended() -> None:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    assert ending.seen(child.pid) is None
    child.kill()
    child.wait()


def test_a_dumped_core_is_told(tmp_path: Path) -> None:
    assert ending.told(signal.SIGSEGV | 0x80).reason() == "killed by SIGSEGV (core dumped)"
    limit = resource.getrlimit(resource.RLIMIT_CORE)
    if limit[1] == 0 or not Path("/proc/sys/kernel/core_pattern").read_text().strip():
        pytest.skip("this machine keeps no core dumps")
    code = (
        f"import os, resource; os.chdir({str(tmp_path)!r}); resource.setrlimit(resource.RLIMIT_CORE, ({limit[1]},) * 2)"
    )
    result = command(tmp_path, python(f"{code}; os.abort()"))
    assert result.signal == signal.SIGABRT
    assert result.core_dumped
    assert result.reason() == "killed by SIGABRT (core dumped)"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (CommandResult(2, oom=OomKills(0)), "exit status 2"),
        (CommandResult(0, oom=OomKills(7)), "exit status 0"),
        (
            CommandResult(None, signal.SIGKILL, oom=OomKills(0)),
            "killed by SIGKILL, which thcore did not send; the kernel's OOM killer has killed nothing meanwhile",
        ),
        (
            CommandResult(None, signal.SIGKILL, oom=OomKills(1, own=True)),
            (
                "killed by SIGKILL, which thcore did not send; the kernel's OOM killer has killed 1 process of this "
                "build: give the build more memory, or let it need less"
            ),
        ),
        (
            CommandResult(137, oom=OomKills(2)),
            (
                "exit status 137; the kernel's OOM killer has killed 2 processes on this machine meanwhile, perhaps of "
                "this build: give the machine more memory, or run fewer builds at once"
            ),
        ),
        (CommandResult(None, signal.SIGKILL, stopped=True, oom=OomKills(1)), "killed by SIGKILL, which thcore sent"),
    ],
)
def test_the_reason_says_whether_memory_was_short(result: CommandResult, reason: str) -> None:
    assert result.reason() == reason


def test_a_program_that_somebody_killed_says_that_it_was_not_us(tmp_path: Path) -> None:
    result = command(tmp_path, python("import os; os.kill(os.getpid(), 9)"))
    assert result.oom is not None
    assert result.reason() == f"killed by SIGKILL, which thcore did not send; {result.oom}"


def test_a_service_that_was_ended_says_that_it_was_us(tmp_path: Path) -> None:
    with (
        Interrupt() as interrupt,
        service(python("import time; time.sleep(1000)"), interrupt, log=tmp_path / "l") as it,
    ):
        assert it.running()
    result = it.result()
    assert result is not None
    assert result.reason() == "killed by SIGTERM, which thcore sent"


@pytest.fixture
def narrow() -> Iterator[Path]:
    """The list of processes of a control group in which there is little memory."""
    for top, limit, size in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "64M"),
        (Path("/sys/fs/cgroup"), "memory.max", "64M"),
    ):
        group = top / f"narrow-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(size)
        except OSError:
            group.rmdir()
            continue
        yield group / "cgroup.procs"
        group.rmdir()
        return
    pytest.skip("this machine lets us limit nobody's memory")


def test_a_program_that_the_kernel_killed_for_want_of_memory_says_so(tmp_path: Path, narrow: Path) -> None:
    before = Toll.now()
    result = command(tmp_path, python(f"open({str(narrow)!r}, 'w').write('0')\n{GREEDY}"))
    assert result.signal == signal.SIGKILL
    assert "the kernel's OOM killer has killed 1 process" in result.reason()
    counted = before.since()
    assert counted is not None
    assert counted.count >= 1
