"""Databases for thcore's own history."""

from __future__ import annotations

import atexit
import datetime
import functools
import shutil
import tempfile
from pathlib import Path

import sqlalchemy
from attrs import evolve
from sqlalchemy import URL

from thcore.config import Config, DirectoriesConfig, HistoryConfig, JobConfig
from thcore.history import database, schema
from thcore.history.upgrade import upgrade
from thcore.model import Outcome, Secret


def configuration(state: Path, url: str | None = None, **history: object) -> Config:
    """A configuration whose history is at ``url``, by default in the state directory."""
    secret = None if url is None else Secret(url)
    return Config(
        jobs=(JobConfig("gate"),),
        directories=DirectoriesConfig(state),
        history=HistoryConfig(url=secret, **history),  # type: ignore[arg-type] # keys of the file
    )


@functools.cache
def empty() -> Path:
    """A history that is up to date and has nothing in it, to be copied: making one takes a worker half a second."""
    place = Path(tempfile.mkdtemp(prefix="th-history-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    path = place / database.FILE
    upgrade(URL.create("sqlite", database=str(path)))
    return path


def at(outcome: Outcome, build: str, hours: float = 0) -> Outcome:
    """The same outcome of another build, some hours later."""
    later = datetime.timedelta(hours=hours)
    return evolve(outcome, build=build, started=outcome.started + later, ended=outcome.ended + later)


def counted(url: URL) -> dict[str, int]:
    """How many rows each table has."""
    engine = database.engine_for(url)
    with engine.connect() as connection:
        counts = {
            name: connection.scalar(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)) or 0
            for name, table in schema.metadata.tables.items()
        }
    engine.dispose()
    return counts
