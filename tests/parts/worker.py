"""``thcore serve`` as a process of its own, with a configuration made for the test."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psutil
import yaml

from parts.history import empty


def words(process: psutil.Process) -> list[str]:
    """The words of its command line; none if it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # a zombie is one too
        return []


class Worker:
    """A worker that is ready when entered and ended when left.

    ``jobs`` and ``defaults`` are as in the configuration file; anything else of it may be given by keyword; ``options``
    are those of ``thcore serve``. Where there
    is no state directory yet it makes one, with an empty history unless it is ``bare``. It leads a process group of its
    own if it is to have its ``own_group``.
    """

    def __init__(
        self,
        directory: Path,
        server: str,
        jobs: list[dict[str, Any]],
        *,
        defaults: Mapping[str, Any] | None = None,
        name: str = "worker-under-test",
        environment: Mapping[str, str] | None = None,
        bare: bool = False,
        own_group: bool = False,
        options: Sequence[str] = (),
        **configuration: Any,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.state = directory / "state"
        if not bare and not self.state.exists():
            self.state.mkdir()
            shutil.copy(empty(), self.state)
        self.results = directory / "results"
        self.output: list[str] = []
        self._options = options
        self._own_group = own_group
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.configuration = directory / "thcore.yaml"
        content = {
            "gearman": {"servers": [server], "name": name, **configuration.pop("gearman", {})},
            "directories": {"state": str(self.state)},
            "defaults": dict(defaults or {}),
            "jobs": jobs,
            "slots": 2,
            "kill_grace": "2s",
            **configuration,
        }
        self.configuration.write_text(yaml.safe_dump(content))

    def start(self) -> Self:
        """Start it and wait until it says that it is ready."""
        self.launch()
        try:
            self.wait_for("ready:")
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "thcore.cli.main", "serve", *self._options, "-c", str(self.configuration)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            cwd=self.directory,
            process_group=0 if self._own_group else None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, text: str, timeout: float = 60) -> str:
        """The next line of its output that has ``text`` in it."""
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                raise TimeoutError(f"the worker did not say {text!r}; it said:\n{self.text}") from None
            if line is None:
                raise RuntimeError(f"the worker ended before it said {text!r}:\n{self.text}")
            if text in line:
                return line

    def wait_said(self, text: str, timeout: float = 60) -> None:
        """Wait until there is ``text`` in its output, wherever."""
        if text not in self.text:
            self.wait_for(text, timeout)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another ``thcore`` with its configuration, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "thcore.cli.main", *arguments, "-c", str(self.configuration)],
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self.directory,
            timeout=60,
            check=False,
        )

    def rewrite(self, **changes: Any) -> None:
        """Change its configuration file."""
        content = yaml.safe_load(self.configuration.read_text())
        self.configuration.write_text(yaml.safe_dump({**content, **changes}))

    def reload(self, said: str = "config_reloaded") -> str:
        """Send SIGHUP; what it says of it."""
        self.process.send_signal(signal.SIGHUP)
        return self.wait_for(said)

    @property
    def text(self) -> str:
        """All it has said."""
        return "\n".join(self.output)

    @property
    def pid(self) -> int:
        return self.process.pid

    def processes(self) -> list[psutil.Process]:
        """It and everything below it."""
        try:
            main = psutil.Process(self.pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def named(self, *names: str) -> list[psutil.Process]:
        """Those of its processes that have one of these names."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [process] if process.name() in names else []
        return found

    def nurseries(self) -> list[psutil.Process]:
        """The processes that start its builds; one, unless it has just got a new configuration."""
        return [process for process in psutil.Process(self.pid).children() if "thcore.worker.ward" in words(process)]

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill_all(self) -> None:
        """SIGKILL to it and everything below it, as when the power fails."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):  # it ends by itself when its parent has
                process.kill()
        self.wait()

    def wait(self, timeout: float = 60) -> int:
        """Wait for its end; the exit code."""
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        return code

    def stop(self) -> int:
        """Stop it in order, by force if that does not work."""
        if self.process.poll() is None:
            self.terminate()
            try:
                return self.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.wait()

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                self.output.append(line.rstrip("\n"))
                self._lines.put(line)
        self._lines.put(None)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        print(self.text)  # shown for a test that failed
