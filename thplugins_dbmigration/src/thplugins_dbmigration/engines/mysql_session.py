"""The administrator's sessions on a private MySQL or MariaDB server."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pymysql

ADMIN = "thcore"
"""The server's own administrator. Its password is made anew at every start and known to the build alone."""


def connect(path: Path, password: str) -> Any:
    """A session of the administrator, or None when the server does not answer."""
    if not _listens(path):
        return None  # PyMySQL would leave a socket open
    try:
        connection = pymysql.connect(
            unix_socket=str(path),
            user=ADMIN,
            password=password,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=5,
            ssl_disabled=True,  # else all certificates of the system are read, which takes as long as a clone
        )
        # A migration that waits for us must not be waited for.
        connection.cursor().execute("SET lock_wait_timeout = 3, innodb_lock_wait_timeout = 3")
    except (pymysql.MySQLError, OSError):
        return None
    return connection


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
