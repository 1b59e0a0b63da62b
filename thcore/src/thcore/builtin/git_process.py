"""One call of git, made through GitPython: shut off from the machine's configuration, logged, cancellable."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import psutil
from attrs import field, frozen

from thcore.errors import InfrastructureError

_OUTPUT_LIMIT = 16 * 1024 * 1024
_POLL_S = 0.1
_GRACE_S = 3.0
_PATH = "/usr/local/bin:/usr/bin:/bin"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s']+@")

SETTINGS = {
    "advice.detachedHead": "false",
    "checkout.workers": "0",
    "core.askPass": "true",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "credential.helper": "",
    # Objects arrive as packs, which appear whole or not at all: what is there has all that it needs.
    "fetch.unpackLimit": "1",
    "gc.auto": "0",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
    "init.defaultBranch": "master",
    "maintenance.auto": "false",
    "protocol.ext.allow": "never",
    # A work tree belongs to whoever the build's programs run as.
    "safe.directory": "*",
    "submodule.recurse": "false",
    "transfer.credentialsInUrl": "allow",
}
"""What every call of git is configured with, above any configuration in a repository."""


class GitCallError(Exception):
    """git ended with an error. ``text`` holds its last lines, credentials blanked out."""

    def __init__(self, text: str, *, timed_out: bool = False) -> None:
        self.text = text
        self.timed_out = timed_out
        super().__init__(text)


@frozen
class Address:
    """Where a repository is: ``url`` without credentials, to be shown and stored; ``secret_url`` with them."""

    url: str
    secret_url: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Split the credentials off a URL. Names of paths and of scp-like addresses stay as they are."""
        parts = urlsplit(text) if "://" in text else None
        if parts is None or "@" not in parts.netloc or parts.scheme not in {"http", "https"}:
            return cls(text, text)
        clean = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return cls(clean, text)

    def __truediv__(self, name: str) -> Address:
        return Address(f"{self.url.rstrip('/')}/{name}", f"{self.secret_url.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def local(self) -> bool:
        """It is a directory of this machine."""
        return self.url.startswith(("/", "file://"))


class Caller(Protocol):
    """Who wants git called: a build, as a rule."""

    def check(self) -> None:
        """Raise when it is time to give up."""

    def log(self, message: str, *, source: str = ...) -> None:
        """Hear a line that git writes."""


@frozen
class Git:
    """Calls git for one build.

    ``secret`` addresses have their credentials added by git itself, so that they are in no argv, log or stored
    configuration. ``local`` allows repositories of this machine. ``timeout_s`` limits each call.
    """

    build: Caller
    timeout_s: float
    local: bool = False
    secret: tuple[Address, ...] = ()

    def __call__(self, *argv: str, directory: Path | None = None, quiet: bool = False) -> str:
        """Run ``git ARGV`` in ``directory`` and answer its standard output.

        ``quiet`` keeps its messages out of the build log. Raises GitCallError, CancelledError, DeadlineError, and
        InfrastructureError (``git-missing``) when git cannot be started.
        """
        process = self._start(argv, directory)
        try:
            return self._attend(process, argv, quiet=quiet)
        finally:
            _end(process)

    def _start(self, argv: tuple[str, ...], directory: Path | None) -> Any:
        git = library()
        command = ["git", *argv]
        # GitPython passes the worker's environment on; variables that would lead git elsewhere are taken out.
        kept = self.environment()
        if astray := [name for name in os.environ if name.startswith("GIT_") and name not in kept]:
            command = ["env", *(part for name in astray for part in ("-u", name)), *command]
        caller = git.Git(str(directory) if directory else None)
        try:
            # In this process's group: by that it is known as started here, not adopted, to whoever looks for orphans.
            return caller.execute(command, as_process=True, env=kept)
        except (git.GitCommandNotFound, OSError) as error:
            raise InfrastructureError(f"git cannot be started: {error}", code="git-missing") from error

    def environment(self) -> dict[str, str]:
        """What git finds in its environment, besides the worker's own that is not about git."""
        settings = dict(SETTINGS)
        for address in self.secret:
            if address.secret_url != address.url:
                # The slash ends the host name: without it a longer name of another host would match too.
                settings[f"url.{address.secret_url.rstrip('/')}/.insteadOf"] = f"{address.url.rstrip('/')}/"
        variables = {
            "GIT_ALLOW_PROTOCOL": "http:https:git:ssh" + (":file" if self.local else ""),
            "GIT_ASKPASS": "true",
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=30",
            "GIT_TERMINAL_PROMPT": "0",
            "PATH": os.environ.get("PATH", _PATH),
        }
        for index, (key, value) in enumerate(settings.items()):
            variables[f"GIT_CONFIG_KEY_{index}"] = key
            variables[f"GIT_CONFIG_VALUE_{index}"] = value
        return variables

    def _attend(self, process: Any, argv: tuple[str, ...], *, quiet: bool) -> str:
        output = bytearray()
        messages = _Messages(None if quiet else self.build)
        end = time.monotonic() + self.timeout_s
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                ended = process.poll() is not None  # and has said all that it says
                ready = selector.select(_POLL_S)
                self.build.check()
                self._check_time(argv, end)
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stderr:
                        messages.feed(data)
                    elif len(output) < _OUTPUT_LIMIT:
                        output += data
                # A helper that git left behind may hold the pipes open.
                if not ready and ended:
                    break
        messages.close()
        status = process.poll()
        if status is None:
            status = self._await(process, argv, end)
        if status:
            self.build.check()  # a SIGINT from the terminal reaches git as well
            raise GitCallError(messages.text() or f"git {argv[0]} ended with status {status}")
        return output.decode("utf-8", "surrogateescape")

    def _await(self, process: Any, argv: tuple[str, ...], end: float) -> int:
        """The status of a process whose pipes are closed: they may be a moment before its end."""
        descriptor = os.pidfd_open(process.proc.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(descriptor, selectors.EVENT_READ)
                while (status := process.poll()) is None:
                    selector.select(_POLL_S)
                    self.build.check()
                    self._check_time(argv, end)
        finally:
            os.close(descriptor)
        return int(status)

    def _check_time(self, argv: tuple[str, ...], end: float) -> None:
        if time.monotonic() > end:
            raise GitCallError(f"git {argv[0]} took longer than {self.timeout_s:.0f} s", timed_out=True)


class _Messages:
    """What git says on standard error, line by line."""

    def __init__(self, build: Caller | None) -> None:
        self._build = build
        self._rest = b""
        self._last: deque[str] = deque(maxlen=12)

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._take(lines)
        if len(self._rest) > 65536:
            self.close()

    def close(self) -> None:
        rest, self._rest = self._rest, b""
        self._take([rest])

    def text(self) -> str:
        return "\n".join(self._last)

    def _take(self, lines: Iterable[bytes]) -> None:
        for raw in lines:
            line = blank_credentials(raw.decode("utf-8", "replace").rstrip())
            if line:
                self._last.append(line[:1000])
                if self._build is not None:
                    self._build.log(line, source="git")


def blank_credentials(text: str) -> str:
    """The text with user names and passwords in URLs replaced by ``***``."""
    return _CREDENTIALS.sub("***@", text)


def pause(build: Caller, seconds: float) -> None:
    """Wait, but not longer than the build may run."""
    end = time.monotonic() + seconds
    waiting = threading.Event()
    while (left := end - time.monotonic()) > 0:
        build.check()
        waiting.wait(min(left, _POLL_S))


def library() -> ModuleType:
    """GitPython, which looks for git when it is imported. Raises InfrastructureError (``git-missing``)."""
    try:
        import git
    except ImportError as error:
        raise InfrastructureError(f"git cannot be used: {error}", code="git-missing") from error
    return git


def _end(process: Any) -> None:
    """End git and its helpers (ssh, index-pack) if it still runs, and close the pipes."""
    popen = process.proc
    everybody: set[psutil.Process] = set()
    for number in (signal.SIGTERM, signal.SIGKILL):
        if popen.poll() is not None:
            break
        everybody |= _tree(popen.pid)
        _signal(everybody, number)
        end = time.monotonic() + _GRACE_S
        waiting = threading.Event()
        while popen.poll() is None and time.monotonic() < end:
            waiting.wait(0.02)
    # Helpers that did not listen go with it.
    _signal(everybody, signal.SIGKILL)
    popen.stdout.close()
    popen.stderr.close()


def _tree(pid: int) -> set[psutil.Process]:
    """A process and those below it."""
    try:
        process = psutil.Process(pid)
        return {process, *process.children(recursive=True)}
    except psutil.Error:
        return set()


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
