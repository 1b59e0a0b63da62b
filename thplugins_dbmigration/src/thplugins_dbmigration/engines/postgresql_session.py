"""The superuser's sessions on a private PostgreSQL server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

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
