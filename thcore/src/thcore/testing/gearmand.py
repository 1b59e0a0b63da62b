"""Gearman servers: a real gearmand, and one inside the test's process where there is none."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import threading
from collections.abc import Sequence
from typing import Protocol, Self

from thcore.gearman.embedded import EmbeddedServer
from thcore.testing.ports import free_port
from thcore.testing.program import Server

__all__ = ["FakeGearmand", "GearmanServer", "Gearmand"]

START_TIMEOUT_S = 15.0


class GearmanServer(Protocol):
    """What both can do."""

    port: int

    @property
    def address(self) -> str:
        """``host:port``, as in a worker's configuration."""

    def restart(self) -> None:
        """End it as a crash would and start it again, on the same port. What it knew is gone."""

    def status(self) -> dict[str, tuple[int, int, int]]:
        """For every function: jobs in all, jobs running, workers that offer it."""

    def workers(self) -> dict[str, list[str]]:
        """For every client id (but the anonymous ``-``): the functions it offers, each as often as registered."""

    def offered(self, client: str, expected: list[str], timeout: float = 10.0) -> list[str]:
        """What a client offers, sorted, once it is as expected, or as it is after ``timeout`` seconds: the server takes
        note of functions a moment after they were sent."""


class Administered:
    """Asks a Gearman server what it knows, in the text protocol for people."""

    host: str = "127.0.0.1"
    port: int

    @property
    def address(self) -> str:
        """``host:port``, as in a worker's configuration."""
        return f"{self.host}:{self.port}"

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
        raise ConnectionError(f"the server closed the connection in the middle of its answer to {command!r}")

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


class Gearmand(Administered, Server):
    """Starts gearmand when entered, waits until it answers, and kills it when left. It keeps its port over restarts.

    ``arguments`` are more of its own. It listens on ``host``; ``prefix`` is what its command begins with, such as the
    words that have it run elsewhere.
    """

    def __init__(self, *arguments: str, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        super().__init__("gearmand")
        self.host = host
        self.arguments = arguments
        self._prefix = tuple(prefix)

    @staticmethod
    def missing() -> str | None:
        """What has to be installed; None when it can be started."""
        if shutil.which("gearmand") is None:
            return "gearmand is not on PATH; install it, for example apt-get install gearman-job-server"
        return None

    def start(self) -> None:
        """Start it. Raises RuntimeError when it does not answer."""
        log = self._program.log
        listen = ("--port", str(self.port), "-L", self.host, "-l", str(log))
        command = [*self._prefix, "gearmand", *listen, *self.arguments]
        self._program.start(command, self._answers, patience_s=START_TIMEOUT_S)

    def stop(self) -> None:
        """Kill it, as a crash would."""
        self._program.kill()

    def freeze(self) -> None:
        """Let it stand still with its connections open."""
        self._program.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        self._program.send(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.stop()
        self.start()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            self.ask("version")
            return True
        return False


class FakeGearmand(Administered):
    """The server of ``thcore quickstart`` in this process: needs nothing, and serves between entering and leaving."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server = EmbeddedServer(self.port)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.stop()

    def restart(self) -> None:
        """Close all connections, and serve again."""
        self._server.stop()
        self._server.start()
