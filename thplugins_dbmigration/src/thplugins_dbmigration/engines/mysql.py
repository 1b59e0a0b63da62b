"""MySQL and MariaDB: a private server from the programs found on this machine."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Secret
from thplugins_dbmigration.engines import mysql_locks, mysql_statements
from thplugins_dbmigration.engines.accounts import acting, give, identity, private_directory
from thplugins_dbmigration.engines.engine import Installation, memory_of
from thplugins_dbmigration.engines.mysql_programs import SERVERS, is_mariadb, places, program
from thplugins_dbmigration.engines.mysql_server import PID, MySQLServer
from thplugins_dbmigration.engines.mysql_session import ADMIN, connect
from thplugins_dbmigration.engines.private import await_answer, ended_cleanly
from thplugins_dbmigration.engines.programs import ENVIRONMENT, SYSTEM, find, search_path, version_of
from thplugins_dbmigration.engines.sockets import server_directory

SETTINGS = (
    "--skip-networking",
    "--loose-mysqlx=OFF",
    "--skip-log-bin",
    "--local-infile=OFF",
    "--event-scheduler=OFF",
    "--loose-feedback=OFF",
    "--character-set-server=utf8mb4",
    "--max-allowed-packet=1G",
    # Whatever the server does on its own account would show in the counters of a step.
    "--innodb-stats-auto-recalc=OFF",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    *mysql_statements.SETTINGS,
)
_SMALL_LOG = "--innodb-log-file-size=4M"


@frozen
class MySQL:
    """Driver of MySQL and MariaDB."""

    name: str = "mysql"
    types: tuple[str, ...] = ("mysql", "mariadb")

    def locate(self, settings: Any) -> Path | None:
        """The directory of ``mariadbd`` or ``mysqld``."""
        wanted = getattr(settings, "mysql_programs", None)
        found = find(SERVERS, (wanted,) if wanted else search_path())
        if found is None:
            where = f"in {wanted}" if wanted else "on PATH"
            raise InfrastructureError(
                f"no mariadbd or mysqld {where}; install MariaDB (Debian: mariadb-server) or name the directory "
                "with the setting `mysql_programs`",
                code="engine-missing",
            )
        return found.parent

    def installation(self, build: Build) -> Installation:
        programs = self.locate(build.settings)
        server = program(programs, SERVERS)
        who = identity(build, server, ("mysql",))
        version = version_of(build, server, r"Ver (\S+)")
        return Installation(self.name, version, programs, who.account, who.namespace, memory_of(build))

    def settings(self, installation: Installation) -> tuple[str, ...]:
        return (*SETTINGS, f"--innodb-buffer-pool-size={installation.memory}")

    def initialise(self, build: Build, installation: Installation, directory: Path) -> None:
        private_directory(installation, directory)
        if is_mariadb(installation):
            script = find(("mariadb-install-db", "mysql_install_db"), places(installation.programs, "scripts"))
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
                f"cannot prepare the data directory with {argv[0]}: {result.reason()}\n{words}",
                code="server-not-started",
            )

    @contextlib.contextmanager
    def start(
        self, build: Build, installation: Installation, directory: Path, *, log: Path, kept: bool = True
    ) -> Iterator[MySQLServer]:
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
                *self.settings(installation),
                mysql_locks.MARIADB if is_mariadb(installation) else mysql_locks.MYSQL,
                f"--socket={socket}",
                f"--pid-file={sockets / PID}",
                f"--tmpdir={scratch}",
                f"--secure-file-priv={scratch}",
                f"--init-file={entry}",
            )
            command = acting(installation, Command(argv, cwd=Path("/"), env=ENVIRONMENT, source="server"))
            with build.service(command, log=log) as service:
                connection = await_answer(build, service, name, log, lambda: connect(socket, password))
                server = MySQLServer(
                    installation, directory, scratch, socket, Secret(password), connection, service, build.check, log
                )
                stop = server.shut_down if kept else server.abandon
                with ended_cleanly(build, service, name, stop), contextlib.closing(connection):
                    server.calibrate()
                    yield server

    def freeze(self, build: Build, installation: Installation, directory: Path) -> None:
        """Shrink the redo log, which holds nothing any more; the next start makes it its full size again."""
        for spare in (directory / "#innodb_redo").glob("#ib_redo*_tmp"):  # of MySQL
            spare.unlink()
        if is_mariadb(installation):
            self._make(
                build, installation, _server(installation, directory, "--bootstrap", *SETTINGS, _SMALL_LOG), directory
            )


def _admin(password: str) -> str:
    return (
        f"DROP USER IF EXISTS '{ADMIN}'@'localhost';\n"
        f"CREATE USER '{ADMIN}'@'localhost' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'localhost' WITH GRANT OPTION;\n"
        + mysql_statements.leaving_out(ADMIN)
    )


def _server(installation: Installation, directory: Path, *settings: str) -> tuple[str, ...]:
    server = program(installation.programs, SERVERS)
    base = () if str(server.parent) in SYSTEM else (f"--basedir={server.parent.parent}",)
    return (str(server), "--no-defaults", *base, f"--datadir={directory}", *settings)


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
