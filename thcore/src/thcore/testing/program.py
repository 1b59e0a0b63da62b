"""The program of a real server that a test starts."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from thcore.testing.ports import free_port

_LOOK_S = 0.02
_GUARD = 'read -r _; kill -s KILL -- "-$0"'
"""Waits for the end of whoever holds the other end of its input, and kills a process group then."""


class Program:
    """A server's program, which runs between ``start`` and ``stop`` or ``kill``, and no longer than the test's process,
    however that ends. All that it says is in ``log``."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """The end of its log."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-20:])

    def start(self, argv: Sequence[str], answers: Callable[[], bool], *, patience_s: float = 60.0, **more: Any) -> None:
        """Start it and wait until ``answers``. ``more`` is as ``subprocess.Popen`` takes it.

        Raises RuntimeError, with the end of its log, when it ends or does not answer.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **more
            )
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, str(self._process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        pause = threading.Event()
        for _ in range(int(patience_s / _LOOK_S)):
            if answers():
                return
            if self._process.poll() is not None:
                break
            pause.wait(_LOOK_S)
        ended = self._process.poll()
        self.kill()
        why = "does not answer" if ended is None else f"ended with status {ended}"
        raise RuntimeError(f"{argv[0]} {why}: {self.said}")

    def stop(self, number: signal.Signals = signal.SIGTERM, patience_s: float = 30.0) -> None:
        """Ask it to end, and wait for that."""
        if self._process is not None:
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience_s)
        self.kill()

    def kill(self) -> None:
        """End it and all that it has started, as a crash would."""
        process, self._process = self._process, None
        guard, self._guard = self._guard, None
        if guard is not None:  # first: the process's number may be another's once it is reaped
            with guard:
                guard.kill()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it runs."""
        self._running().send_signal(number)

    def freeze(self) -> None:
        """Have it stand still; it does, with all of its threads, when this returns."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"what writes {self.log} does not run")
        return self._process


class Server:
    """A real server with a port and a directory of its own. It runs from entering to leaving; what is below says how it
    is started, and may stop it in between: port and directory stay."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        self._kept = ExitStack()
        self._directory = self._kept.enter_context(open_directory(name))
        self._program = Program(self._directory / "server.log")

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._kept.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._program.kill()
        self._kept.close()


@contextlib.contextmanager
def open_directory(name: str) -> Iterator[Path]:
    """A directory that every account can pass through; it is removed on leaving. Those of pytest are closed."""
    path = Path(tempfile.mkdtemp(prefix=f"thcore-{name}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def found(name: str, places: Sequence[Path] = ()) -> Path | None:
    """Where a program is: in one of the places, or on PATH."""
    for place in places:
        if os.access(place / name, os.X_OK):
            return place / name
    path = shutil.which(name)
    return None if path is None else Path(path)


def run(argv: Sequence[str | Path], env: Mapping[str, str] | None = None, **more: Any) -> str:
    """Run a program to its end; what it prints. Raises RuntimeError with what it says when it fails."""
    ended: subprocess.CompletedProcess[str] = subprocess.run(
        argv,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **more,
    )
    if ended.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed: {ended.stdout}{ended.stderr}")
    return ended.stdout


def other_account() -> Mapping[str, Any]:
    """For ``Popen``: as root, another account; servers refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
