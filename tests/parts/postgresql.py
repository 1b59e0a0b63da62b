"""A PostgreSQL server for thcore's own history: on a port, with a password, to be stopped and started again."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from thplugins_dbmigration.engines.postgresql import PostgreSQL

from parts.gearmand import free_port

USER = "thcore"
PASSWORD = "p@ss/w:rd%41"
"""Has to be quoted in a URL."""


class Postgres:
    """A server's data directory and port. It runs only between ``start`` and ``stop``."""

    def __init__(self, directory: Path) -> None:
        programs = PostgreSQL().locate(None)
        assert programs is not None
        self.programs = programs
        self._directory = directory
        self._data = directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self.port = free_port()
        if os.geteuid() == 0:
            account = pwd.getpwnam("nobody")
            os.chown(directory, account.pw_uid, account.pw_gid)
        key = directory / "key"
        key.write_text(PASSWORD)
        key.chmod(0o644)
        options = [f"--username={USER}", f"--pwfile={key}", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        made = subprocess.run(
            [programs / "initdb", f"--pgdata={self._data}", "--no-locale", *options],
            capture_output=True,
            text=True,
            check=False,
            **self._account(),
        )
        assert made.returncode == 0, made.stdout + made.stderr

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """What would stand in a configuration."""
        return f"postgresql://{USER}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        argv = [str(self.programs / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        log = (self._directory / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, **self._account())
        for _ in range(600):
            with contextlib.suppress(psycopg.OperationalError):
                self.connect().close()
                return
            assert self._process.poll() is None, (self._directory / "server.log").read_text()
            time.sleep(0.05)  # nothing tells when it listens
        raise TimeoutError("PostgreSQL did not start")

    def stop(self) -> None:
        """End its sessions, then itself."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A session of the superuser."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def database(self) -> str:
        """Make an empty database; its URL."""
        name = f"history{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def _account(self) -> dict[str, Any]:
        return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def postgresql() -> Iterator[Postgres]:
    """A server that runs, in a directory that its account can enter."""
    directory = Path(tempfile.mkdtemp(prefix="th-history-"))
    directory.chmod(0o755)
    server = Postgres(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory)
