"""Private database servers of an engine, in a build of their own."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from attrs import frozen

from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import LOADING_MEMORY, Engine, Installation, Server
from thplugins_dbmigration.engines.mysql_programs import SERVERS, program

SEED = """\
CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(20));
INSERT INTO things VALUES (1, 'one');
INSERT INTO things VALUES (2, 'two; three');
CREATE TABLE alembic_version (version_num VARCHAR(32));
INSERT INTO alembic_version VALUES ('abc');
"""
"""Five statements that every engine takes: two rows, at version abc."""
BROKEN_SEED = "CREATE TABLE good (id INTEGER);\n\nINSERT INTO nowhere VALUES (1);\nCREATE TABLE later (id INTEGER);\n"
"""Its error is in line 3."""


@frozen
class Choice:
    """The worker's settings that the engines look at."""

    postgresql: str | None = None
    postgresql_programs: Path | None = None
    mysql_programs: Path | None = None
    account: str | None = None
    loading_memory: int = LOADING_MEMORY


@frozen
class Kind:
    """A dataset type and the settings to serve it with."""

    type: str
    settings: Choice = Choice()

    def __str__(self) -> str:
        return f"{self.type}-{self.settings.postgresql}" if self.settings.postgresql else self.type


def _on_path(program: str) -> Path | None:
    """The directory of a program that whoever runs the tests has put on PATH, which goes before the system's."""
    found = shutil.which(program)
    return Path(found).resolve().parent if found else None


MARIADB = Kind("mysql")
EMBEDDED = Kind("postgresql", Choice(postgresql="embedded"))
SYSTEM = Kind("postgresql", Choice(postgresql="system", postgresql_programs=_on_path("postgres")))
SQLITE = Kind("sqlite")
ALL = (MARIADB, EMBEDDED, SYSTEM, SQLITE)
WITH_SERVER = (MARIADB, EMBEDDED, SYSTEM)
ON_MARIADB = program(engine_for("mysql").locate(None), SERVERS).name != "mysqld"
"""Whether it is MariaDB that serves ``mysql``, or Oracle's server, whose words are others."""


_MADE: dict[Installation, Path] = {}
"""Data directories as they are made, which takes longest."""


@frozen
class Ground:
    """A build, an engine, and the data directory that it will make."""

    build: Build
    engine: Engine
    installation: Installation
    data: Path
    log: Path

    @contextlib.contextmanager
    def server(self) -> Iterator[Server]:
        """The server on the data directory, which is made if it is missing."""
        if not self.data.exists():
            self._make()
        with self.engine.start(self.build, self.installation, self.data, log=self.log) as server:
            yield server

    def _make(self) -> None:
        if self.installation.programs is None:
            self.engine.initialise(self.build, self.installation, self.data)
            return
        made = _MADE.get(self.installation)
        if made is None:
            made = Path(tempfile.mkdtemp(prefix="th-made-")) / "data"
            atexit.register(shutil.rmtree, made.parent, ignore_errors=True)
            made.parent.chmod(0o755)
            self.engine.initialise(self.build, self.installation, made)
            _MADE[self.installation] = made
        copied(made, self.data)

    def seed(self, text: str, name: str = "seed.sql") -> Path:
        """A seed file."""
        path = self.build.workspace.root / name
        path.write_text(text, "utf-8")
        return path


def copied(data: Path, target: Path) -> None:
    """Copy a data directory whose server has stopped."""
    subprocess.run(["cp", "-a", str(data), str(target)], check=True)


@contextlib.contextmanager
def ground(directory: Path, kind: Kind, **more: Any) -> Iterator[Ground]:
    """A build below ``directory`` for servers of a kind."""
    # Its sockets must not be those of another test.
    with make_build(directory, settings=kind.settings, **{"build_id": uuid.uuid4().hex, **more}) as build:
        engine = engine_for(kind.type)
        installation = engine.installation(build)
        place = build.workspace.root / "database"
        place.mkdir()
        yield Ground(build, engine, installation, place / "data", place / "server.log")


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that every account can enter; pytest's own ones are closed."""
    path = Path(tempfile.mkdtemp(prefix="th-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


def processes(name: str) -> set[psutil.Process]:
    """The processes of that name that this one has started, directly or not."""
    return {child for child in psutil.Process(os.getpid()).children(recursive=True) if child.name() == name}


def query(address: Address, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement as the dataset's user, as a project would."""
    import sqlalchemy

    driver = {"mysql": "pymysql", "postgresql": "psycopg"}.get(address.dialect)
    engine = sqlalchemy.create_engine(address.url(driver), poolclass=sqlalchemy.pool.NullPool)
    try:
        with engine.connect() as connection:
            result = connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()
