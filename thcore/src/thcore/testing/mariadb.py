"""A real MariaDB server: on a port, with a password, to be stopped and started again."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from pathlib import Path
from urllib.parse import quote

from thcore.testing.program import Server, found, run

__all__ = ["PASSWORD", "USER", "MariaDB"]

USER = "thcore"
"""The account that owns the databases."""
PASSWORD = "p@ss/w:rd%41"  # noqa: S105 - of servers that are gone when the test has ended
"""Has to be quoted in a URL."""

_PLACES = (Path("/usr/sbin"), Path("/usr/local/sbin"), Path("/usr/local/mysql/bin"), Path("/usr/libexec"))
_NEEDED = ("mariadbd", "mariadb-install-db", "mariadb")
_ACCOUNT = f"""\
CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '{PASSWORD}';
"""
_PROTOCOL = b"\x0a"
"""The first byte that a server says to whoever connects; it begins to listen a little before it answers."""


class MariaDB(Server):
    """A server of its own, with the account ``USER`` that may do everything. It runs from entering to leaving; ``stop``
    and ``start`` in between are a restart: port and data stay. Nothing is synced to disk more than need be."""

    def __init__(self) -> None:
        if self.missing():
            raise RuntimeError(str(self.missing()))
        super().__init__("mariadb")
        self._data = self._directory / "data"
        self._numbers = itertools.count(1)

    @staticmethod
    def missing() -> str | None:
        """What has to be installed; None when it can be started."""
        lacking = [name for name in _NEEDED if found(name, _PLACES) is None]
        if lacking:
            return f"there is no {lacking[0]} on PATH; install MariaDB, for example apt-get install mariadb-server"
        return None

    def url(self, database: str = "", password: str = PASSWORD, *, scheme: str = "mysql+pymysql") -> str:
        """What would stand in a configuration; ``scheme`` names the driver."""
        return f"{scheme}://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def database(self, *, scheme: str = "mysql+pymysql") -> str:
        """Make an empty database; its URL."""
        name = f"made{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name, scheme=scheme)

    def execute(self, statement: str, database: str = "") -> str:
        """Run SQL; what it answers, a line for each row, tabs between columns. Raises RuntimeError."""
        where = ("--protocol=tcp", "--host=127.0.0.1", f"--port={self.port}", f"--user={USER}")
        argv = (
            _program("mariadb"),
            "--no-defaults",
            "--batch",
            "--skip-column-names",
            *where,
            f"--execute={statement}",
        )
        return run([*argv, *([database] if database else [])], {"MYSQL_PWD": PASSWORD}).strip()

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError."""
        if not self._data.exists():
            self._make()
        script = self._directory / "account.sql"
        script.write_text(_ACCOUNT)
        options = {
            "datadir": self._data,
            "port": self.port,
            "bind-address": "127.0.0.1",
            "socket": self._directory / "server.sock",
            "pid-file": self._directory / "server.pid",
            "init-file": script,
            "innodb-flush-log-at-trx-commit": 0,
        }
        written = [f"--{name}={value}" for name, value in options.items()]
        argv = [_program("mariadbd"), "--no-defaults", *_account(), "--skip-name-resolve", *written]
        self._program.start(argv, self._answers)

    def stop(self) -> None:
        """Shut it down in order."""
        self._program.stop()

    def kill(self) -> None:
        """End it as a crash would."""
        self._program.kill()

    def _make(self) -> None:
        options = (f"--datadir={self._data}", "--auth-root-authentication-method=normal", "--skip-test-db")
        run([_program("mariadb-install-db"), "--no-defaults", *_account(), *options])

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection,
        ):
            return connection.recv(5)[4:] == _PROTOCOL
        return False


def _program(name: str) -> str:
    path = found(name, _PLACES)
    if path is None:
        raise RuntimeError(f"there is no {name} on PATH")
    return str(path)


def _account() -> tuple[str, ...]:
    """It runs as root only when it is told to."""
    return ("--user=root",) if os.geteuid() == 0 else ()
