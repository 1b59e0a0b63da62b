"""Dumping a database with the programs of its engine, packed, so that it can be restored by an account of its own."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import zstandard
from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Progress
from thplugins_dbmigration.curation.source import Source
from thplugins_dbmigration.engines.accounts import acting
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.programs import ENVIRONMENT, find, search_path

PROGRAMS = {"mysql": ("mariadb-dump", "mysqldump"), "postgresql": ("pg_dump",)}
LEVEL = 9
"""Of zstd: a third smaller than the fastest one, and still faster than databases are dumped."""
PIECE = 1024 * 1024
_MYSQL = (
    "--single-transaction",
    "--quick",
    "--skip-lock-tables",
    "--no-tablespaces",
    "--routines",
    "--triggers",
    "--hex-blob",
    "--skip-dump-date",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    # MySQL's own: what they add can only be loaded by an administrator.
    "--loose-set-gtid-purged=OFF",
    "--loose-column-statistics=0",
)
_POSTGRESQL = (
    "--format=plain",
    "--no-owner",
    "--no-privileges",
    "--no-tablespaces",
    "--no-publications",
    "--no-subscriptions",
    "--no-security-labels",
    "--no-password",
    "--encoding=UTF8",
)


@frozen
class Dump:
    """A packed dump. ``extensions`` are those of PostgreSQL that must be there before it is loaded."""

    path: Path
    extensions: tuple[str, ...] = ()


def dump(build: Build, source: Source, stem: Path, label: str, installation: Installation | None = None) -> Dump:
    """Dump a database as of one moment to ``stem`` with a suffix that says what it is; ``label`` is for progress.

    ``installation`` is that of a private server, whose programs and account are used then. Raises InfrastructureError
    (``dump-failed``, ``engine-missing``).
    """
    build.emit(Progress(f"{label}: dumping {source.database}"))
    plain = build.workspace.temporary / f"{stem.name}.plain"
    suffix = ".sqlite.zst" if source.dialect == "sqlite" else ".sql.zst"
    target = stem.with_name(stem.name + suffix)
    try:
        if source.dialect == "sqlite":
            _back_up(build, source, plain)
        else:
            _run(build, source, plain, installation)
        extensions: list[str] = []
        with plain.open("rb") as stream:
            pack(build, _pieces(source.dialect, stream, extensions), target, label, plain.stat().st_size)
    except OSError as error:
        raise InfrastructureError(f"cannot write the dump {target}: {error.strerror}", code="dump-failed") from error
    finally:
        plain.unlink(missing_ok=True)
    return Dump(target, tuple(extensions))


def pack(build: Build, pieces: Iterable[bytes], target: Path, label: str, total: int) -> None:
    """Write pieces to a new zstd archive. ``total`` is their size in bytes, for progress."""
    done = shown = 0
    made = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with target.open("xb") as stream, made.stream_writer(stream) as packed:
        for piece in pieces:
            packed.write(piece)
            done += len(piece)
            if done - shown > 32 * PIECE:
                build.check()
                build.emit(Progress(f"{label}: packing", done // PIECE, max(done, total) // PIECE))
                shown = done


def whole(stream: IO[bytes]) -> Iterator[bytes]:
    """All of a file, piece by piece."""
    while piece := stream.read(PIECE):
        yield piece


def _run(build: Build, source: Source, plain: Path, installation: Installation | None) -> None:
    program = _program(build, source.dialect, installation)
    argv, password = _call(source)
    env = {**ENVIRONMENT, password: source.password.reveal(), "HOME": "/nonexistent"}
    command = Command((str(program), *argv), cwd=Path("/"), env=env, source="dump", stdout_to=plain)
    result = build.run(acting(installation, command) if installation else command)
    if not result.ok:
        words = "\n".join(line[:500] for line in result.tail[-5:]) or result.reason()
        raise InfrastructureError(f"{program.name} cannot dump {source.database}: {words}", code="dump-failed")


def _call(source: Source) -> tuple[tuple[str, ...], str]:
    """The arguments of the program, and the variable that its password is in."""
    if source.dialect == "postgresql":
        values = {"host": source.host, "port": source.port, "user": source.user, "dbname": source.database}
        words = {**source.parameters, **{name: str(value) for name, value in values.items() if value}}
        info = " ".join(f"{name}='{_libpq(value)}'" for name, value in words.items())
        return (*_POSTGRESQL, f"--dbname={info}"), "PGPASSWORD"
    if source.socket is not None:
        where: tuple[str, ...] = (f"--socket={source.socket}",)
    else:
        where = ("--protocol=tcp", f"--host={source.host}", *([f"--port={source.port}"] if source.port else []))
    return ("--no-defaults", *where, f"--user={source.user}", *_MYSQL, "--", source.database), "MYSQL_PWD"


def _libpq(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _program(build: Build, dialect: str, installation: Installation | None) -> Path:
    names = PROGRAMS.get(dialect)
    if names is None:
        raise InfrastructureError(f"it is not known how to dump a database of {dialect}", code="engine-missing")
    places: list[Any] = [installation.programs] if installation and installation.programs else []
    with contextlib.suppress(InfrastructureError):  # its server need not be on this machine
        places += [engine_for(dialect).locate(build.settings)]
    found = find(names, (*places, *search_path()))
    if found is None:
        raise InfrastructureError(
            f"there is no {' or '.join(names)}; install the clients of {dialect} (Debian: mariadb-client, "
            "postgresql-client)",
            code="engine-missing",
        )
    return found


def _back_up(build: Build, source: Source, plain: Path) -> None:
    uri = f"{Path(source.database).as_uri()}?mode=ro"
    try:
        with (
            contextlib.closing(sqlite3.connect(uri, uri=True)) as theirs,
            contextlib.closing(sqlite3.connect(plain)) as ours,
        ):
            theirs.backup(ours, pages=4096, progress=lambda *_: build.check())
    except sqlite3.Error as error:
        raise InfrastructureError(f"SQLite cannot back up {source.database}: {error}", code="dump-failed") from error


def _pieces(dialect: str, stream: IO[bytes], extensions: list[str]) -> Iterator[bytes]:
    """The dump, without what only an administrator may load. Notes the extensions that it needs."""
    if dialect == "postgresql":
        return _unprivileged_postgresql(stream, extensions)
    return _unprivileged_mysql(stream) if dialect == "mysql" else whole(stream)


_DEFINER = re.compile(rb"DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*` ?")


def _unprivileged_mysql(stream: IO[bytes]) -> Iterator[bytes]:
    """Views, triggers and routines become those of who loads them. Lines of data begin otherwise."""
    for line in stream:
        yield _DEFINER.sub(b"", line, count=1) if line.startswith((b"/*!500", b"CREATE DEFINER=")) else line


_EXTENSION = re.compile(rb'CREATE EXTENSION IF NOT EXISTS "?([\w-]+)"? ')


def _unprivileged_postgresql(stream: IO[bytes], extensions: list[str]) -> Iterator[bytes]:
    """Extensions are made before; comments on them are their owner's."""
    copying = False
    for line in stream:
        if copying:
            copying = line.rstrip(b"\r\n") != b"\\."
        elif line.startswith(b"COPY ") and line.rstrip().endswith(b"FROM stdin;"):
            copying = True
        elif line.startswith(b"COMMENT ON EXTENSION "):
            continue
        elif found := _EXTENSION.match(line):
            extensions.append(found[1].decode())
        yield line
