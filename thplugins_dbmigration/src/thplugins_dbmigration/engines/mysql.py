"""MySQL and MariaDB: a private server from the programs found on this machine."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build, Service
from thcore.model import Command, Secret
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.accounts import acting, give, identity, private_directory
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.private import await_answer, ended_cleanly
from thplugins_dbmigration.engines.programs import ENVIRONMENT, SYSTEM, find, search_path, version_of
from thplugins_dbmigration.engines.sockets import server_directory
from thplugins_dbmigration.engines.version_table import VersionTable
from thplugins_dbmigration.measure.mysql import COUNTERS, SESSION_COUNTERS

SERVERS = ("mariadbd", "mysqld")
CLIENTS = ("mariadb", "mysql")
ADMIN = "thcore"
"""The server's own administrator. Its password is made anew at every start and known to the build alone."""
SETTINGS = (
    "--skip-networking",
    "--loose-mysqlx=OFF",
    "--skip-log-bin",
    "--local-infile=OFF",
    "--event-scheduler=OFF",
    "--performance-schema=OFF",
    "--loose-feedback=OFF",
    "--character-set-server=utf8mb4",
    "--max-allowed-packet=1G",
    "--innodb-buffer-pool-size=256M",
    # Whatever the server does on its own account would show in the counters of a step.
    "--innodb-stats-auto-recalc=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
)
_NO_SUCH_TABLE = 1146
_LOCK_WAIT = 1205


@frozen
class MySQL:
    """Driver of MySQL and MariaDB."""

    name: str = "mysql"
    types: tuple[str, ...] = ("mysql", "mariadb")

    def locate(self, settings: Any) -> Path | None:
        """The directory of ``mariadbd`` or ``mysqld``."""
        wanted = getattr(settings, "mysql_programs", None)
        program = find(SERVERS, (wanted,) if wanted else search_path())
        if program is None:
            where = f"in {wanted}" if wanted else "on PATH"
            raise InfrastructureError(
                f"no mariadbd or mysqld {where}; install MariaDB (Debian: mariadb-server) or name the directory "
                "with the setting `mysql_programs`",
                code="engine-missing",
            )
        return program.parent

    def installation(self, build: Build) -> Installation:
        programs = self.locate(build.settings)
        program = _program(programs, SERVERS)
        who = identity(build, program, ("mysql",))
        version = version_of(build, program, r"Ver (\S+)")
        return Installation(self.name, version, programs, who.account, who.namespace)

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        private_directory(installation, directory)
        if _is_mariadb(installation):
            script = find(("mariadb-install-db", "mysql_install_db"), _places(installation.programs, "scripts"))
            if script is None:
                raise InfrastructureError(
                    f"there is no mariadb-install-db near {installation.programs}; install the whole of MariaDB",
                    code="engine-missing",
                )
            self._make(
                build,
                installation,
                (
                    str(script),
                    "--no-defaults",
                    f"--datadir={directory}",
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                ),
                directory,
            )
            # Nobody may come in without a password: only accounts that cannot log in at all stay.
            self._bootstrap(
                build, installation, directory, "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            )
        else:
            script = directory.with_name(directory.name + ".sql")
            script.write_text("DROP USER 'root'@'localhost';\n", "utf-8")
            give(installation, script)
            argv = _server(installation, directory, "--initialize-insecure", f"--init-file={script}")
            self._make(build, installation, argv, directory)
            script.unlink()

    def _bootstrap(self, build: Build, installation: Installation, directory: Path, sql: str) -> None:
        script = directory.with_name(directory.name + ".sql")
        script.write_text(sql, "utf-8")
        self._make(build, installation, _server(installation, directory, "--bootstrap"), directory, script)
        script.unlink()

    def _make(
        self,
        build: Build,
        installation: Installation,
        argv: tuple[str, ...],
        directory: Path,
        script: Path | None = None,
    ) -> None:
        env = {**ENVIRONMENT, "TMPDIR": str(directory)}
        command = Command(argv, cwd=directory, env=env, source="server", input=script)
        result = build.run(acting(installation, command))
        if not result.ok:
            words = "\n".join(result.tail[-15:])
            raise InfrastructureError(
                f"cannot make a data directory with {argv[0]}: {result.reason()}\n{words}", code="server-not-started"
            )

    @contextlib.contextmanager
    def start(self, build: Build, installation: Installation, directory: Path, *, log: Path) -> Iterator[MySQLServer]:
        name = f"{self.name} {installation.version}"
        with server_directory(build, installation, directory) as sockets, _scratch(installation, directory) as scratch:
            password = secrets.token_hex(24)
            entry = sockets / "admin.sql"
            entry.touch(0o600)
            give(installation, entry)
            entry.write_text(_admin(password), "utf-8")
            socket = sockets / "mysql.sock"
            argv = _server(
                installation,
                directory,
                *SETTINGS,
                f"--socket={socket}",
                f"--pid-file={sockets / 'pid'}",
                f"--tmpdir={scratch}",
                f"--secure-file-priv={scratch}",
                f"--init-file={entry}",
            )
            command = acting(installation, Command(argv, cwd=Path("/"), env=ENVIRONMENT, source="server"))
            with build.service(command, log=log) as service:
                connection = await_answer(build, service, name, log, lambda: _connect(socket, password))
                server = MySQLServer(installation, socket, Secret(password), connection, service)
                with ended_cleanly(build, service, name, log, server.shut_down), contextlib.closing(connection):
                    yield server

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:
        """Nothing to do: the redo log keeps its size, whatever is in it."""


@frozen
class MySQLServer:
    """A private MySQL or MariaDB server that runs."""

    installation: Installation
    socket: Path
    password: Secret
    connection: Any = field(repr=False)
    service: Service

    @property
    def version(self) -> str:
        return str(self.connection.get_server_info())

    def address(self, database: str, user: str, password: str) -> Address:
        return Address("mysql", database, user, Secret(password), self.socket)

    def create(
        self,
        database: str,
        user: str,
        password: str,
        *,
        character_set: str | None = None,
        extensions: Sequence[str] = (),
    ) -> Address:
        if extensions:
            raise InfrastructureError("MySQL has no extensions; remove `extensions`", code="seed-not-loaded")
        with self._asked("create the database") as cursor:
            charset = f" CHARACTER SET {character_set}" if character_set else ""
            cursor.execute(f"CREATE DATABASE {_quoted(database)}{charset}")
            cursor.execute("CREATE USER %s@'localhost' IDENTIFIED BY %s", (user, password))
            # In a grant, _ and % of a database's name are wildcards.
            pattern = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
            cursor.execute(f"GRANT ALL ON {_quoted(pattern)}.* TO %s@'localhost'", (user,))
        return self.address(database, user, password)

    def load(self, build: Build, address: Address, seed: Path) -> None:
        client = _program(self.installation.programs, CLIENTS)
        sandbox = ("--sandbox",) if _is_mariadb(self.installation) and _has_sandbox(build, client) else ()
        argv = (
            str(client),
            "--no-defaults",
            f"--socket={self.socket}",
            f"--user={address.user}",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
            "--silent",
            *sandbox,
            f"--database={address.database}",
        )
        env = {**ENVIRONMENT, "MYSQL_PWD": address.password.reveal(), "HOME": "/nonexistent"}
        command = Command(argv, cwd=Path("/"), env=env, source="seed", input=seed)
        result = build.run(acting(self.installation, command))
        if not result.ok:
            words = next((line for line in result.tail if line.startswith("ERROR")), "\n".join(result.tail[-5:]))
            raise InfrastructureError(
                f"{seed.name} cannot be loaded: {words or result.reason()}", code="seed-not-loaded"
            )

    def settle(self, address: Address) -> None:
        with self._asked("gather statistics") as cursor:
            cursor.execute(
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema = %s AND table_type = 'BASE TABLE'",
                (address.database,),
            )
            for (table,) in cursor.fetchall():
                cursor.execute(f"ANALYZE TABLE {_quoted(address.database)}.{_quoted(table)}")
                cursor.fetchall()

    def counters(self, address: Address) -> dict[str, int | None]:  # noqa: ARG002 - the server serves one database
        with self._asked("read the counters") as cursor:
            # The session's own part is read first and taken off the total, so that measuring does not show in it: what
            # these two statements cost is in both readings of a difference alike.
            cursor.execute("SHOW SESSION STATUS")
            own = {name.lower(): value for name, value in cursor.fetchall()}
            cursor.execute("SHOW GLOBAL STATUS")
            total = {name.lower(): value for name, value in cursor.fetchall()}
        counters: dict[str, int | None] = {}
        for name in COUNTERS:
            value = total.get(name.lower())
            if value is None or not str(value).isdigit():
                counters[name] = None
                continue
            counters[name] = int(value) - (int(own.get(name.lower(), 0)) if name in SESSION_COUNTERS else 0)
        return counters

    def versions(self, address: Address, table: str) -> frozenset[str] | None:
        wanted = VersionTable.parse(table)
        schema = wanted.schema or address.database
        with self._asked(f"read {table}") as cursor:
            try:
                selection = wanted.selection("`")
                cursor.execute(f"SELECT {selection} FROM {_quoted(schema)}.{_quoted(wanted.table)}")  # noqa: S608 - quoted
            except pymysql.err.ProgrammingError as error:
                if error.args[0] == _NO_SUCH_TABLE:
                    return None
                raise
            return frozenset(str(row[0]) for row in cursor.fetchall())

    def shut_down(self) -> None:
        """Ask the server to stop cleanly; it goes on for as long as that takes."""
        connection = _connect(self.socket, self.password.reveal())
        if connection is None:
            raise InfrastructureError("the server does not answer any more", code="server-not-answering")
        with contextlib.suppress(pymysql.MySQLError), contextlib.closing(connection):
            connection.cursor().execute("SHUTDOWN")

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[Any]:
        try:
            with self.connection.cursor() as cursor:
                yield cursor
        except pymysql.MySQLError as error:
            raise InfrastructureError(
                f"mysql {self.installation.version}: cannot {what}: {error}",
                code="server-died" if not self.service.running() else "server-not-answering",
            ) from error


def _connect(socket: Path, password: str) -> Any:
    try:
        connection = pymysql.connect(
            unix_socket=str(socket),
            user=ADMIN,
            password=password,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=5,
        )
        # A migration that waits for us must not be waited for.
        connection.cursor().execute("SET lock_wait_timeout = 3, innodb_lock_wait_timeout = 3")
    except (pymysql.MySQLError, OSError):
        return None
    return connection


def _admin(password: str) -> str:
    return (
        f"DROP USER IF EXISTS '{ADMIN}'@'localhost';\n"
        f"CREATE USER '{ADMIN}'@'localhost' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'localhost' WITH GRANT OPTION;\n"
    )


def _server(installation: Installation, directory: Path, *settings: str) -> tuple[str, ...]:
    program = _program(installation.programs, SERVERS)
    base = () if str(program.parent) in SYSTEM else (f"--basedir={program.parent.parent}",)
    return (str(program), "--no-defaults", *base, f"--datadir={directory}", *settings)


@contextlib.contextmanager
def _scratch(installation: Installation, directory: Path) -> Iterator[Path]:
    """Where the server sorts and keeps temporary tables: beside its data, because /tmp may be small."""
    path = directory.with_name(directory.name + ".tmp")
    shutil.rmtree(path, ignore_errors=True)
    private_directory(installation, path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _has_sandbox(build: Build, client: Path) -> bool:
    command = Command(
        (str(client), "--no-defaults", "--sandbox", "--version"), cwd=Path("/"), env=ENVIRONMENT, source="server"
    )
    return build.run(command).ok


def _is_mariadb(installation: Installation) -> bool:
    return "mariadb" in installation.version.lower()


def _places(programs: Path | None, *more: str) -> tuple[str, ...]:
    """Where the other programs of the same installation are: beside the server, and in the other bin directories."""
    if programs is None or str(programs) in SYSTEM:
        return tuple(SYSTEM)
    return (str(programs), *(str(programs.parent / name) for name in ("bin", "sbin", *more)))


def _program(programs: Path | None, names: Sequence[str]) -> Path:
    found = find(names, ([str(programs)] if programs else []) + list(_places(programs)))
    if found is None:
        raise InfrastructureError(
            f"none of {', '.join(names)} is in {programs} or near it; install the whole of MariaDB (Debian: "
            "mariadb-server and mariadb-client)",
            code="engine-missing",
        )
    return found


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
