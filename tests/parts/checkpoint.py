"""Where builds stop on their way through the stages, until a test lets them go on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from attrs import field, frozen

from parts.distribution import Site

STAGES = ("checkout", "environment", "execute", "analyse", "publish", "published", "cleanup")
"""Every point that a build passes, in order. ``published``: the publishers are done, nobody is answered yet."""

CHILDLESS = ("cleanup",)
"""Done by the worker when the child process has ended."""

JOB = """\
#!/bin/sh
echo "$ZUUL_KIND build $ZUUL_UUID"
case $ZUUL_KIND in
  forking) "$LINGERER" 600 & setsid "$LINGERER" 600 & ;;
  escaping) env -i setsid sh -c "cd /; exec '$LINGERER' 600" & ;;
  stubborn) trap '' TERM; "$LINGERER" 600 & ;;
esac
[ -z "$CHECKPOINT" ] || $CHECKPOINT_PROGRAM
[ "$ZUUL_KIND" != failing ]
"""
"""The program of the change under test: ``job.sh``."""

KINDS = ("short", "failing", "forking", "escaping", "stubborn", "serving")


@frozen(eq=False)
class Entry:
    """An attempt that has come to a stage and waits there.

    ``at`` is the monotonic time. ``program`` is the process of the build that waits, when it is one; ``told`` is what
    else the plugin says.
    """

    build: str
    attempt: int
    worker: str
    stage: str
    at: float
    child: int | None = None
    nursery: int | None = None
    program: int | None = None
    told: Mapping[str, Any] = field(factory=dict)
    connection: socket.socket | None = None

    def release(self, word: str = "go") -> None:
        """Let it go on. Nothing happens when it is dead or was released before."""
        if self.connection is not None:
            with self.connection, contextlib.suppress(OSError):
                self.connection.send(word.encode())


class Checkpoint:
    """Listens while entered. ``decide`` is told of every entry, in one thread, and answers the word to release it with,
    or None to release it later."""

    def __init__(self, path: Path, decide: Callable[[Entry], str | None]) -> None:
        self.path = path
        self._decide = decide
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._thread = threading.Thread(target=self._serve, name="checkpoint", daemon=True)

    def __enter__(self) -> Self:
        self._listening.bind(str(self.path))
        self._listening.listen(256)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()
        self.path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            entry = self._read(connection)
            if entry is None:
                connection.close()
            elif (word := self._decide(entry)) is not None:
                entry.release(word)

    def _read(self, connection: socket.socket) -> Entry | None:
        try:
            values = json.loads(connection.recv(65536) or b"null")
        except OSError:
            return None
        if values is None:
            return None  # killed between connecting and telling
        known = {name: values.pop(name) for name in _TOLD if name in values}
        return Entry(**known, told=values, connection=connection)


_TOLD = ("build", "attempt", "worker", "stage", "at", "child", "nursery", "program")


class Equipment:
    """What a worker needs in order to stop at a checkpoint: a plugin's distribution and a program, in a directory."""

    def __init__(self, directory: Path, checkpoint: Path, repositories: Path, results: Path) -> None:
        self.site = Site(directory / "site")
        self.lingerer = directory / "lingerer"
        self._options = {
            "socket": str(checkpoint),
            "lingerer": str(self.lingerer),
            "repositories": str(repositories),
            "results": str(results),
            "mounts": os.geteuid() == 0,
        }
        here = Path(__file__).parent
        modules = {name: (here / f"{name}.py").read_text() for name in ("checkpoint_entry", "checkpoint_plugin")}
        points = {name: f"checkpoint_plugin:{name}" for name in ("checkpoint", "published")}
        self.site.install("acme-checkpoint", points, modules)
        sleep = shutil.which("sleep")
        assert sleep is not None
        # Its own name tells whose process it is, whatever its environment and its working directory have become.
        self.lingerer.symlink_to(sleep)

    def job(self, name: str, worker: str) -> dict[str, Any]:
        """The configuration of a job that stops at every stage, with ``publish_local`` between the last two."""
        options = {**self._options, "worker": worker}
        return {
            "name": name,
            "plugins": {
                "checkpoint": options,
                "exit_status": {},
                "publish_local": {"path": self._options["results"], "url": "http://logs.example.org/"},
                "published": options,
            },
        }
