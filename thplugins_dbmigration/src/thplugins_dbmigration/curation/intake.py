"""Taking data in: a new dataset from a dump, or from a database that runs."""

from __future__ import annotations

import gzip
import re
import secrets
import zlib
from pathlib import Path
from typing import Any

import zstandard
from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thplugins_dbmigration.curation.draft import draft, write
from thplugins_dbmigration.curation.dump import dump, pack, whole
from thplugins_dbmigration.curation.source import Source
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.sqlite_seed import MAGIC
from thplugins_dbmigration.seeds import GZIP, LARGEST_WINDOW, ZSTD

SEED = "seed"
_ARCHIVE = b"PGDMP"
_HEAD = 4096
_SIGNS = {
    "sqlite": re.compile(re.escape(MAGIC)),
    "mysql": re.compile(rb"(?s).*^(-- (MariaDB|MySQL) dump |/\*M?!\d{5,6}[ \\])", re.MULTILINE),
    "postgresql": re.compile(rb"(?s).*^-- PostgreSQL database dump", re.MULTILINE),
}
"""How the dumps of each engine's own programs begin."""


@frozen
class Order:
    """What is wanted. What is None follows from the source."""

    name: str
    project: str
    type: str | None = None
    database: str | None = None
    user: str | None = None
    start: tuple[str, ...] = ()
    label: str = ""
    character_set: str | None = None
    extensions: tuple[str, ...] = ()


def take_in(build: Build, order: Order, source: Source | Path, directory: Path) -> Dataset:
    """Make the dataset in ``directory``. Raises InfrastructureError (``dataset-not-written``, ``dump-failed``,
    ``engine-missing``, ``seed-broken``); nothing is left then."""
    with draft(directory) as place:
        if isinstance(source, Path):
            kind = order.type or _kind(source)
            seed = _copied(build, source, place, order.name)
            database, extensions = order.name, order.extensions
        else:
            kind = order.type or source.dialect
            made = dump(build, source, place / SEED, order.name)
            seed, extensions = made.path, tuple(dict.fromkeys((*order.extensions, *made.extensions)))
            database = Path(source.database).stem if source.dialect == "sqlite" else source.database
        database = order.database or re.sub(r"[^A-Za-z0-9_]+", "_", database)
        config: dict[str, Any] = {
            "project": order.project,
            "type": kind,
            "database": database,
            "db_user": order.user or database[:32],
            "db_pass": secrets.token_urlsafe(12),
            "seed_data": seed.name,
        }
        more = {
            "version": order.label,
            "start": list(order.start),
            "character_set": order.character_set,
            "extensions": list(extensions),
        }
        return write(place, config | {key: value for key, value in more.items() if value}, order.name)


def _kind(path: Path) -> str:
    """The engine whose dump it is. Raises InfrastructureError (``seed-broken``)."""
    head = _head(path)
    if head.startswith(_ARCHIVE):
        raise InfrastructureError(
            f"{path} is an archive of pg_dump, and no SQL; make it SQL: pg_restore -f seed.sql {path}",
            code="seed-broken",
        )
    for kind, sign in _SIGNS.items():
        if sign.match(head):
            return kind
    raise InfrastructureError(
        f"{path} does not say which engine's dump it is; say it with --type: mysql, postgresql or sqlite",
        code="seed-broken",
    )


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
            stream.seek(0)
            if head.startswith(GZIP):
                with gzip.GzipFile(fileobj=stream) as archive:
                    return archive.read(_HEAD)
            if head.startswith(ZSTD):
                unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
                with unpacker.stream_reader(stream, read_across_frames=True) as packed:
                    return packed.read(_HEAD)
    except (zlib.error, EOFError, zstandard.ZstdError, OSError) as error:
        raise InfrastructureError(f"{path} cannot be read: {error}", code="seed-broken") from error
    return head


def _copied(build: Build, dump: Path, place: Path, label: str) -> Path:
    """The dump, packed if it is not."""
    with dump.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        packed = {GZIP: ".gz", ZSTD: ".zst"}
        suffix = next((suffix for sign, suffix in packed.items() if start.startswith(sign)), None)
        kind = ".sqlite" if start == MAGIC[:4] else ".sql"
        target = place / f"{SEED}{kind}{suffix or '.zst'}"
        if suffix is None:
            pack(build, whole(stream), target, label, dump.stat().st_size)
        else:
            with target.open("xb") as copy:
                for piece in whole(stream):
                    build.check()
                    copy.write(piece)
    return target
