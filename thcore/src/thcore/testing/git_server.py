"""A real git server: repositories that are fetched over the network."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from thcore.testing.program import Server, found
from thcore.testing.repository import Repository

__all__ = ["GitServer"]


class GitServer(Server):
    """``git daemon`` on the loopback interface, from entering to leaving.

    ``url`` is what the plugin ``git`` takes as ``base_url``. ``stop`` and ``start`` are an outage; the address stays.
    """

    def __init__(self) -> None:
        super().__init__("git")
        self._root = self._directory / "repositories"
        self._root.mkdir()

    @staticmethod
    def missing() -> str | None:
        """What has to be installed; None when it can be started."""
        if found("git") is None:
            return "git is not on PATH; install it, for example apt-get install git"
        if found("git-daemon", (_programs(),)) is None:
            return "git has no daemon here; install it, for example dnf install git-daemon"
        return None

    @property
    def url(self) -> str:
        """Where the repositories are; a slash and the project's name come behind it."""
        return f"git://127.0.0.1:{self.port}"

    def repository(self, project: str, files: Mapping[str, str] | None = None) -> Repository:
        """Make the repository of a project; whatever is committed there can be fetched at once."""
        return Repository(self._root / project, files)

    def start(self) -> None:
        """Serve. Raises RuntimeError when it does not answer."""
        listen = ("--listen=127.0.0.1", f"--port={self.port}", "--reuseaddr")
        argv = [str(_programs() / "git-daemon"), *listen, f"--base-path={self._root}", "--export-all", str(self._root)]
        self._program.start(argv, self._answers)

    def stop(self) -> None:
        """End it, in the midst of a fetch or not."""
        self._program.kill()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            return True
        return False


def _programs() -> Path:
    """Where git keeps the programs that are not for everybody."""
    return Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip())
