"""The superuser's sessions on a private PostgreSQL server."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from attrs import define, field
from psycopg import pq

from thcore.model import Secret
from thplugins_dbmigration.engines.postgresql_log import SILENT

ADMIN = "thcore"
"""The superuser. Its password is random, and in the data directory, where only root and the worker can read it."""
# A migration that waits for us must not be waited for.
_OWN: Mapping[str, str] = {"lock_timeout": "3s", **SILENT}


def connect(socket: Path, database: str, password: Secret, settings: Mapping[str, str] = _OWN) -> Any:
    """A session of the superuser with these settings, or None when the server does not answer."""
    try:
        return psycopg.connect(
            host=str(socket),
            dbname=database,
            user=ADMIN,
            password=password.reveal(),
            connect_timeout=5,
            autocommit=True,
            options=" ".join(
                f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in {**_OWN, **settings}.items()
            ),
        )
    except psycopg.OperationalError:
        return None


@define
class Reserve:
    """Sessions of the superuser that nobody has just now: a server makes a process for each, which takes longer than
    all that one is asked around a step."""

    socket: Path
    password: Secret
    _left: dict[object, collections.deque[Any]] = field(factory=lambda: collections.defaultdict(collections.deque))

    def take(self, database: str, settings: Mapping[str, str] = _OWN) -> Any:
        """One with these settings, that was left or a new one; None when the server does not answer. Either has made a
        transaction when this returns."""
        left = self._left[_kind(database, settings)]
        with contextlib.suppress(IndexError):  # none is left, or somebody else has just taken the last one
            while True:
                session = left.pop()
                try:
                    session.execute("SELECT")
                except psycopg.Error:  # somebody has ended it meanwhile
                    session.close()
                else:
                    return session
        return self.new(database, settings)

    def new(self, database: str, settings: Mapping[str, str] = _OWN) -> Any:
        """A new one with these settings; None when the server does not answer."""
        return connect(self.socket, database, self.password, settings)

    def leave(self, session: Any, database: str, settings: Mapping[str, str] = _OWN) -> None:
        """Nobody needs it now: let it wait for the next one, unless it is in the middle of something."""
        if session.info.transaction_status == pq.TransactionStatus.IDLE:
            self._left[_kind(database, settings)].append(session)
        else:
            session.close()

    def close(self) -> None:
        """End all that are left."""
        for left in self._left.values():
            while left:
                left.pop().close()


def _kind(database: str, settings: Mapping[str, str]) -> tuple[str, frozenset[tuple[str, str]]]:
    return database, frozenset(settings.items())
