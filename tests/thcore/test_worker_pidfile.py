"""The PID file: whole or not there, never another living process's, never something else that bears its name."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.errors import ConfigError, InfrastructureError
from thcore.worker.pidfile import pid_file

STALE = f"{2**40}\n"
HOLDER = """\
import pathlib, sys
from thcore.errors import InfrastructureError
from thcore.worker.pidfile import pid_file

try:
    with pid_file(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except InfrastructureError:
    print("refused", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worker.pid"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def beside(path: Path) -> list[str]:
    """Names of everything in the file's directory."""
    return [entry.name for entry in path.parent.iterdir()]


def names_this_process(path: Path) -> bool:
    return path.read_text() == f"{os.getpid()}\n"


def test_file_names_this_process_and_is_gone_afterwards(path: Path) -> None:
    with pid_file(path):
        assert names_this_process(path)
        assert path.stat().st_mode & 0o777 == 0o644
        assert beside(path) == [path.name]

    assert beside(path) == []


def test_file_is_gone_after_an_error_too(path: Path) -> None:
    with pytest.raises(KeyError), pid_file(path):
        raise KeyError

    assert not path.exists()


def test_held_file_is_refused_whatever_is_in_it(path: Path) -> None:
    with pid_file(path):
        path.write_text("1234567890\n")
        with pytest.raises(InfrastructureError, match="process 1234567890 lives"), pid_file(path):
            pass
        assert path.exists()


def test_file_of_a_living_process_that_holds_no_lock_is_refused(path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path.write_text(f"{sleeper.pid}\n")

    with pytest.raises(InfrastructureError, match=f"process {sleeper.pid} lives"), pid_file(path):
        pass

    assert path.read_text() == f"{sleeper.pid}\n"
    assert beside(path) == [path.name]


def test_file_of_a_process_that_is_gone_is_taken_over(path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path.write_text(f"{sleeper.pid}\n")
    sleeper.kill()  # not even waited for: what is left is a number without a program

    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    with pid_file(path):
        assert names_this_process(path)


def test_number_that_was_given_out_again_since_is_no_living_owner(path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path.write_text(f"{sleeper.pid}\n")
    yesterday = time.time() - 86400
    os.utime(path, (yesterday, yesterday))

    with pid_file(path):
        assert names_this_process(path)


@pytest.mark.parametrize("text", ["", "\n", STALE])
def test_file_that_names_nobody_is_taken_over(path: Path, text: str) -> None:
    path.write_text(text)

    with pid_file(path):
        assert names_this_process(path)


def test_file_with_something_else_in_it_is_left_alone(path: Path) -> None:
    path.write_text("root:x:0:0\n")

    with pytest.raises(ConfigError, match="there is something else in it"), pid_file(path):
        pass

    assert path.read_text() == "root:x:0:0\n"


@pytest.mark.parametrize("kind", ["directory", "pipe", "device"])
def test_what_is_no_file_is_left_alone(path: Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(os.devnull)
    before = path.lstat()

    with pytest.raises(ConfigError, match=f"PID file {path}: "), pid_file(path):
        pass

    assert os.path.samestat(path.lstat(), before)


def test_place_that_cannot_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"missing/worker\.pid: cannot be written: No such file or directory"),
        pid_file(tmp_path / "missing" / "worker.pid"),
    ):
        pass


def test_file_that_another_process_has_put_there_meanwhile_stays(path: Path) -> None:
    with pid_file(path):
        path.unlink()
        path.write_text("77\n")

    assert path.read_text() == "77\n"


def test_of_many_that_want_the_same_stale_file_one_gets_it(path: Path) -> None:
    path.write_text("\n")
    argv = [sys.executable, "-c", HOLDER, str(path)]
    many = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]

    said = [process.stdout.readline() for process in many if process.stdout]

    assert sorted(said) == ["held\n", *["refused\n"] * 5]
    assert path.read_text() == f"{many[said.index('held' + chr(10))].pid}\n"
    for process in many:
        process.communicate()
    assert beside(path) == []


def test_reader_never_sees_half_of_it(path: Path) -> None:
    over = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):
                seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(300):
        if turn % 2:
            stale = path.with_name("stale")
            stale.write_text(STALE)
            stale.rename(path)
        with pid_file(path):
            pass
    over.set()
    reader.join()

    assert seen <= {STALE, f"{os.getpid()}\n"}
