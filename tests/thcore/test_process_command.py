from __future__ import annotations

import contextlib
import os
import pwd
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
import pytest

from thcore.errors import CancelledError, DeadlineError, InfrastructureError
from thcore.model import Command, Seconds
from thcore.process import BuildLog, Interrupt, read, run

ENV: Mapping[str, str] = {"PATH": os.environ["PATH"]}


def python(code: str, *arguments: str, **options: Any) -> Command:
    return Command((sys.executable, "-S", "-c", code, *arguments), **{"env": ENV, "source": "child", **options})


def shell(script: str, *arguments: str, **options: Any) -> Command:
    return Command(("/bin/sh", "-c", script, "sh", *arguments), **{"env": ENV, "source": "child", **options})


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    with Interrupt() as interrupt:
        yield interrupt


@pytest.fixture
def log(tmp_path: Path) -> Iterator[BuildLog]:
    with BuildLog(tmp_path / "console.log", ["hunter2"]) as log:
        yield log


def texts(log: BuildLog, source: str = "child") -> list[str]:
    return [line.text for line in read(log.path) if line.source == source]


@contextlib.contextmanager
def cancel_when_ready(interrupt: Interrupt, tmp_path: Path) -> Iterator[str]:
    """Gives the path of a fifo; when something is written there, the interrupt is cancelled from a thread."""
    fifo = tmp_path / "ready"
    os.mkfifo(fifo)

    def wait() -> None:
        fifo.read_text()
        interrupt.cancel("enough")

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield str(fifo)
    finally:
        thread.join()


def gone(pid: int) -> bool:
    """Whether a process has ended (init may not have reaped it yet)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def descriptors() -> list[str]:
    return sorted(path.name for path in Path("/proc/self/fd").iterdir())


def pids_in(directory: Path) -> list[int]:
    return [int(path.name) for path in directory.iterdir()]


# How it ends


def test_output_of_both_streams_is_logged_and_the_result_says_how_it_ended(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("echo out; echo err >&2; exit 3"), log, interrupt)
    assert sorted(texts(log)) == ["err", "out"]
    assert (result.exit_code, result.signal, result.ok, result.timed_out) == (3, None, False, False)
    assert sorted(result.tail) == ["err", "out"]
    assert result.stdout == b""
    assert 0 < result.duration_s < 10


def test_a_program_that_a_signal_ends_has_no_exit_code(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("kill -KILL $$"), log, interrupt)
    assert (result.exit_code, result.signal) == (None, signal.SIGKILL)


def test_a_burst_right_before_the_end_is_complete(log: BuildLog, interrupt: Interrupt) -> None:
    code = "import os\nos.write(1, b''.join(b'%06d\\n' % n for n in range(120000)))"
    assert run(python(code), log, interrupt).ok
    assert texts(log) == [f"{number:06}" for number in range(120_000)]


def test_a_last_line_without_newline_is_logged(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("printf 'one\\ntwo'"), log, interrupt)
    assert texts(log) == ["one", "two"]
    assert result.tail == ("one", "two")


def test_a_silent_program_is_waited_for_without_work(log: BuildLog, interrupt: Interrupt) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    result = run(shell("exec sleep 1"), log, interrupt)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert result.ok
    assert result.tail == ()
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.1


def test_a_program_that_closes_its_output_is_still_waited_for(log: BuildLog, interrupt: Interrupt) -> None:
    before = time.process_time()
    result = run(shell("exec >&- 2>&-; sleep 0.3; exit 5"), log, interrupt)
    assert result.exit_code == 5
    assert time.process_time() - before < 0.2


def test_output_without_newlines_takes_bounded_memory(log: BuildLog, interrupt: Interrupt) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run(shell("head -c 67108864 /dev/zero"), log, interrupt).ok
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024
    assert log.path.stat().st_size > 67_108_864


def test_invalid_bytes_and_secrets(log: BuildLog, interrupt: Interrupt) -> None:
    code = "import os, time\nos.write(1, b'\\xff hun'); time.sleep(0.05); os.write(1, b'ter2 \\x00\\n')"
    result = run(python(code), log, interrupt)
    assert texts(log) == ["\ufffd *** \x00"]
    assert result.tail == ("\ufffd *** \x00",)


def test_a_full_disk_under_the_log_does_not_cost_the_result(interrupt: Interrupt) -> None:
    with BuildLog(Path("/dev/full")) as log:
        result = run(shell("echo one; echo two; exit 4"), log, interrupt)
        assert (result.exit_code, result.tail) == (4, ("one", "two"))
        assert log.dropped == 2


# What it is given


def test_the_environment_is_exactly_the_commands(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    command = Command(("/usr/bin/env",), env={"A": "1", "B": "ü"}, capture=True)
    assert sorted(run(command, log, interrupt).stdout.decode().split("\n")) == ["", "A=1", "B=ü"]
    assert run(Command(("/bin/pwd",), cwd=tmp_path, capture=True), log, interrupt).stdout == f"{tmp_path}\n".encode()


def test_input_is_a_file_or_empty(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("from a file")
    command = Command(("/bin/cat",), input=tmp_path / "input", capture=True)
    assert run(command, log, interrupt).stdout == b"from a file"
    assert run(Command(("/bin/cat",), capture=True), log, interrupt).stdout == b""


def test_only_the_three_standard_descriptors_are_inherited(log: BuildLog, interrupt: Interrupt) -> None:
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    assert run(python(code, capture=True), log, interrupt).stdout == b"[0, 1, 2]\n"


def test_capture_keeps_standard_output_up_to_its_limit(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("printf 12345678; echo err >&2", capture=True, capture_limit=5), log, interrupt)
    assert result.stdout == b"12345"
    assert sorted(texts(log)) == ["12345678", "err"]


def test_standard_output_can_go_to_a_file(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    target = tmp_path / "dump"
    target.write_text("something longer from before")
    result = run(shell("echo out; echo err >&2", stdout_to=target, capture=True), log, interrupt)
    assert target.read_text() == "out\n"
    assert texts(log) == ["err"]
    assert result.stdout == b"out\n"
    assert result.tail == ("err",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as another account")
def test_a_program_can_run_as_another_account(log: BuildLog, interrupt: Interrupt) -> None:
    account = pwd.getpwnam("nobody")
    result = run(Command(("/usr/bin/id",), env=ENV, user="nobody", capture=True), log, interrupt)
    assert f"uid={account.pw_uid}(nobody) gid={account.pw_gid}".encode() in result.stdout
    assert b"root" not in result.stdout


# What cannot be started


def test_a_missing_program_is_named(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"'no-such-tool'.*not found on PATH '/nowhere'") as caught:
        run(Command(("no-such-tool",), env={"PATH": "/nowhere"}), log, interrupt)
    assert caught.value.code == "program-missing"
    with pytest.raises(InfrastructureError, match=rf"'\./tool'.*{tmp_path}.*no such file") as caught:
        run(Command(("./tool",), cwd=tmp_path), log, interrupt)
    assert caught.value.code == "program-missing"


@pytest.mark.parametrize("what", ["cwd", "mode", "interpreter", "format", "nul", "empty", "input", "target", "account"])
def test_a_program_that_can_not_be_started_says_why(
    log: BuildLog, interrupt: Interrupt, tmp_path: Path, what: str
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/no/such/interpreter\n" if what == "interpreter" else "\x00\x01\x02")
    tool.chmod(0o600 if what == "mode" else 0o700)
    missing = tmp_path / "missing" / "file"
    command, expected = {
        "cwd": (Command(("/bin/true",), cwd=missing), f"'/bin/true'.*{missing}.*No such file"),
        "mode": (Command((str(tool),)), "Permission denied"),
        "interpreter": (Command((str(tool),)), "interpreter that its first line names"),
        "format": (Command((str(tool),)), "Exec format error"),
        "nul": (Command(("/bin/true", "a\0b")), "null byte"),
        "empty": (Command(()), "the command is empty"),
        "input": (Command(("/bin/true",), input=missing), f"{missing}: No such file"),
        "target": (Command(("/bin/true",), stdout_to=missing), f"{missing}: No such file"),
        "account": (Command(("/bin/true",), user="no-such-account"), "no account 'no-such-account'"),
    }[what]
    before = len(descriptors())
    with pytest.raises(InfrastructureError, match=expected) as caught:
        run(command, log, interrupt)
    assert caught.value.code == "program-not-started"
    assert len(descriptors()) == before


def test_nothing_is_started_after_a_cancel(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    interrupt.cancel("too late")
    with pytest.raises(CancelledError, match="too late"):
        run(shell('touch "$1"', str(tmp_path / "started")), log, interrupt)
    assert not (tmp_path / "started").exists()


def test_nothing_is_left_open_after_a_run(log: BuildLog, interrupt: Interrupt) -> None:
    before = descriptors()
    run(shell("exit 1"), log, interrupt)
    run(shell("sleep 100", timeout_s=Seconds(0.05)), log, interrupt, converse=lambda line: line)
    assert descriptors() == before
    assert threading.active_count() == 1


# What ends it early


def test_its_own_time_limit_ends_it_without_an_exception(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("echo begun; exec sleep 100", timeout_s=Seconds(0.3)), log, interrupt)
    assert (result.timed_out, result.exit_code, result.signal) == (True, None, signal.SIGTERM)
    assert result.tail == ("begun",)
    assert 0.3 <= result.duration_s < 10
    assert any("time limit of 0.3 s" in text for text in texts(log, "thcore"))


def test_the_deadline_ends_it_and_tells_the_last_lines(log: BuildLog) -> None:
    with Interrupt(time.monotonic() + 0.3) as interrupt, pytest.raises(DeadlineError) as caught:
        run(shell("for n in 1 2 3; do echo line $n; done; exec sleep 100"), log, interrupt)
    first, *last = str(caught.value).split("\n")
    assert first == "the time limit of the job has passed; the last lines of /bin/sh:"
    assert last == ["line 1", "line 2", "line 3"]
    assert any("time limit of the job" in text for text in texts(log, "thcore"))


def test_a_cancel_from_another_thread_ends_it(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    with (
        pytest.raises(CancelledError, match=r"^enough$"),
        cancel_when_ready(interrupt, tmp_path) as ready,
    ):
        run(shell('echo ready > "$1"; exec sleep 100', ready), log, interrupt)
    assert texts(log, "thcore") == ["ending /bin/sh: enough"]


def test_a_cancel_from_a_signal_handler_ends_it(log: BuildLog, interrupt: Interrupt) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        interrupt.cancel(f"signal {number}")

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(CancelledError, match=f"signal {int(signal.SIGUSR1)}"):
            run(shell(f"kill -USR1 {os.getpid()}; exec sleep 100"), log, interrupt)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_last_words_of_a_cancelled_program_are_logged(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    code = """
import os, pathlib, signal, sys
def last_words(number, frame):
    os.write(1, b"w" * 3_000_000 + b"\\nbye\\n")  # more than a pipe holds
    sys.exit(7)
signal.signal(signal.SIGTERM, last_words)
pathlib.Path(sys.argv[1]).write_text("ready")
while True:
    signal.pause()
"""
    started = time.monotonic()
    with pytest.raises(CancelledError, match="bye"), cancel_when_ready(interrupt, tmp_path) as ready:
        run(python(code, ready), log, interrupt, grace_s=60)
    assert texts(log)[-1] == "bye"
    assert time.monotonic() - started < 30


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(log: BuildLog, interrupt: Interrupt) -> None:
    command = shell("trap '' TERM; echo stubborn; while :; do sleep 0.1; done", timeout_s=Seconds(0.8))
    result = run(command, log, interrupt, grace_s=0.3)
    assert result.signal == signal.SIGKILL
    assert result.duration_s >= 1.1


def test_a_stopped_program_is_ended_too(log: BuildLog, interrupt: Interrupt) -> None:
    command = shell("kill -STOP $$", timeout_s=Seconds(0.2))
    assert run(command, log, interrupt, grace_s=30).signal == signal.SIGTERM


def test_descendants_in_sessions_of_their_own_are_ended(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    code = """
import os, pathlib, signal, sys, time
pids, ready = sys.argv[1:]
for number in range(20):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(pids, str(os.getpid())).touch()
        time.sleep(1000)
while len(os.listdir(pids)) < 20:
    time.sleep(0.01)
pathlib.Path(ready).write_text("go")
time.sleep(1000)
"""

    with pytest.raises(CancelledError), cancel_when_ready(interrupt, tmp_path) as ready:
        run(python(code, str(pids), ready), log, interrupt, grace_s=0.2)
    assert len(pids_in(pids)) == 20
    assert all(gone(pid) for pid in pids_in(pids))


# What it leaves behind


def test_a_daemon_that_holds_the_output_does_not_hang_the_run_and_is_ended(
    log: BuildLog, interrupt: Interrupt, tmp_path: Path
) -> None:
    code = """
import os, pathlib, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
print("started", flush=True)
"""
    started = time.monotonic()
    result = run(python(code), log, interrupt)
    assert result.ok
    assert texts(log) == ["started"]
    assert time.monotonic() - started < 8
    assert result.duration_s < 1
    (note,) = texts(log, "thcore")
    assert gone(int(note.rpartition("(")[2].rstrip(")")))


def test_background_processes_of_its_group_are_ended(log: BuildLog, interrupt: Interrupt) -> None:
    result = run(shell("sleep 1000 >/dev/null 2>&1 & echo $!", capture=True), log, interrupt)
    assert result.ok
    assert gone(int(result.stdout))
    assert "ending what it left behind: sleep" in texts(log, "thcore")[0]


def test_output_that_comes_just_after_the_program_has_ended_is_logged(log: BuildLog, interrupt: Interrupt) -> None:
    assert run(shell("(sleep 0.2; echo late) & echo early"), log, interrupt).ok
    assert texts(log) == ["early", "late"]
    assert texts(log, "thcore") == []


def test_a_daemon_that_let_go_of_everything_is_left_alone(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    daemon = "exec >/dev/null 2>&1; echo $$ > '$1'; exec sleep 1000".replace("$1", str(fifo))
    result = run(shell(f'setsid sh -c "$1" & read pid < {fifo}; echo $pid', daemon, capture=True), log, interrupt)
    pid = int(result.stdout)
    try:
        assert not gone(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


# Conversation

CLIENT = """
import os, socket, sys
channel = socket.socket(fileno=int(os.environ["THCORE_CHANNEL"]))
stream = channel.makefile("rw", encoding="utf-8", newline="\\n")
def ask(line):
    stream.write(line + "\\n")
    stream.flush()
    return stream.readline().rstrip("\\n")
"""


def test_a_program_and_converse_take_turns(log: BuildLog, interrupt: Interrupt) -> None:
    heard: list[tuple[str, str]] = []

    def converse(line: str) -> str | None:
        heard.append((line, threading.current_thread().name))
        return None if line == "bye" else f"{line} ü"

    code = f"{CLIENT}\nfor n in range(50): print(ask(f'step {{n}}'))\nstream.write('bye\\n'); stream.flush()"
    result = run(python(code, capture=True), log, interrupt, converse=converse)
    assert result.ok, result.tail
    assert result.stdout.decode() == "".join(f"step {number} ü\n" for number in range(50))
    assert [line for line, _ in heard] == [*(f"step {number}" for number in range(50)), "bye"]
    assert {thread for _, thread in heard} == {threading.current_thread().name}


def test_a_program_that_asks_without_listening_blocks_only_itself(log: BuildLog, interrupt: Interrupt) -> None:
    asked = 0

    def converse(line: str) -> str:
        nonlocal asked
        asked += 1
        return "x" * 1000

    code = f"""{CLIENT}
channel.settimeout(0.3)
try:
    while True:
        channel.sendall(b"?\\n" * 1000)
except TimeoutError:
    print("blocked")
"""
    assert run(python(code), log, interrupt, converse=converse).ok
    assert texts(log) == ["blocked"]
    assert 0 < asked < 5000


def test_an_exception_of_converse_ends_the_program(log: BuildLog, interrupt: Interrupt, tmp_path: Path) -> None:
    def converse(line: str) -> str:
        raise LookupError(f"nothing about {line}")

    code = f"{CLIENT}\nimport time; print(os.getpid(), flush=True); ask('this'); time.sleep(1000)"
    with pytest.raises(LookupError, match="nothing about this"):
        run(python(code), log, interrupt, converse=converse)
    assert gone(int(texts(log)[0]))
    assert texts(log, "thcore") == [f"ending {sys.executable}: LookupError: nothing about this"]


def test_a_line_that_is_too_long_ends_the_program(log: BuildLog, interrupt: Interrupt) -> None:
    code = f"{CLIENT}\nimport time; channel.sendall(b'x' * 1_100_000); time.sleep(1000)"
    with pytest.raises(InfrastructureError, match="line of over"):
        run(python(code), log, interrupt, converse=lambda line: line)


def test_a_program_that_hangs_up_is_run_to_its_end(log: BuildLog, interrupt: Interrupt) -> None:
    code = f"{CLIENT}\nchannel.send(b'a\\nb\\nhalf'); stream.close(); channel.close(); print('done')"
    heard: list[str] = []
    assert run(python(code), log, interrupt, converse=heard.append).ok
    assert heard == ["a", "b"]
    assert texts(log) == ["done"]


def test_what_was_said_just_before_the_end_is_heard(log: BuildLog, interrupt: Interrupt) -> None:
    heard: list[str] = []
    code = f"{CLIENT}\nchannel.sendall(b'last\\n' * 20000)"
    assert run(python(code), log, interrupt, converse=heard.append).ok
    assert len(heard) == 20_000


def test_a_cancel_during_a_conversation_ends_it(log: BuildLog, interrupt: Interrupt) -> None:
    def converse(line: str) -> str:
        interrupt.cancel("seen enough")
        interrupt.check()
        return "never"

    with pytest.raises(CancelledError, match="seen enough"):
        run(python(f"{CLIENT}\nask('x')"), log, interrupt, converse=converse)
