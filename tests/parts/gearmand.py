"""A real gearmand on a free port of this machine."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Self

from parts.island import Island

START_TIMEOUT_S = 15.0


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Gearmand:
    """Starts gearmand when entered, waits until it answers, and stops it when left. It keeps its port over restarts.

    With ``island`` it runs there.
    """

    def __init__(self, *arguments: str, island: Island | None = None) -> None:
        self.port = free_port()
        self.host = island.address if island else "127.0.0.1"
        self.arguments = arguments
        self._inside = island.inside if island else []
        self._process: subprocess.Popen[bytes] | None = None
        self._directory = Path(tempfile.mkdtemp(prefix="gearmand-"))

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        log = self._directory / "gearmand.log"
        command = [
            *self._inside,
            "gearmand",
            "--port",
            str(self.port),
            "-L",
            self.host,
            "-l",
            str(log),
            *self.arguments,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pause = threading.Event()
        for _ in range(int(START_TIMEOUT_S / 0.02)):
            with contextlib.suppress(OSError):
                self.ask("version")
                return
            if self._process.poll() is not None:
                break
            pause.wait(0.02)
        ended = self._process.poll()
        self.stop()
        text = log.read_text() if log.exists() else ""
        raise RuntimeError(f"gearmand does not answer on port {self.port} (exit status {ended}): {text}")

    def stop(self) -> None:
        """Kill it, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """Let it stand still with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, command: str) -> list[str]:
        """Send an admin command; the lines of the answer, without the final dot."""
        with socket.create_connection((self.host, self.port), timeout=5) as connection:
            connection.sendall(command.encode() + b"\n")
            lines: list[str] = []
            with connection.makefile("r", encoding="utf-8", errors="replace") as answer:
                for line in answer:
                    if line == ".\n":
                        return lines
                    lines.append(line.rstrip("\n"))
                    if command == "version":
                        return lines
        raise ConnectionError(f"gearmand closed the connection in the middle of its answer to {command!r}")

    def status(self) -> dict[str, tuple[int, int, int]]:
        """For every function: jobs in all, jobs running, workers that offer it."""
        rows = (line.split("\t") for line in self.ask("status"))
        return {name: (int(total), int(running), int(workers)) for name, total, running, workers in rows}

    def offered(self, client: str, expected: list[str], timeout: float = 10.0) -> list[str]:
        """What a client offers, sorted, once it is as expected, or as it is after ``timeout`` seconds: the server takes
        note of functions a moment after they were sent."""
        pause = threading.Event()
        for _ in range(int(timeout / 0.02)):
            found = sorted(self.workers().get(client, ["nothing known of it"]))
            if found == sorted(expected):
                break
            pause.wait(0.02)
        return found

    def workers(self) -> dict[str, list[str]]:
        """For every client id (but the anonymous ``-``): the functions it offers, each as often as registered."""
        found: dict[str, list[str]] = {}
        for line in self.ask("workers"):
            front, _, functions = line.partition(" :")
            name = front.split(maxsplit=2)[2]
            if name != "-":
                found.setdefault(name, []).extend(functions.split())
        return found
