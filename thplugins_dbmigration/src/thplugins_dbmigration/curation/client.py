"""An interactive client of a database, for the person at the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.model import Command
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines import mysql_programs
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.programs import find, search_path

_OF_THE_PERSON = (
    "HOME", "TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "PAGER", "LESS", "EDITOR", "VISUAL", "PATH", "TZ",
)  # fmt: skip
"""Variables that say how somebody likes to work. Those of the clients themselves could lead to another server."""


def client(address: Address, installation: Installation) -> Command:
    """The engine's own client, as the dataset's user. Raises InfrastructureError (``engine-missing``)."""
    own = {name: os.environ[name] for name in _OF_THE_PERSON if name in os.environ}
    argv, password = _call(address, installation)
    return Command(argv, env={**own, **password}, source="client")


def _call(address: Address, installation: Installation) -> tuple[tuple[str, ...], Mapping[str, str]]:
    secret = address.password.reveal()
    if address.dialect == "mysql":
        program = mysql_programs.program(installation.programs, mysql_programs.CLIENTS)
        where = (f"--socket={address.socket}", f"--user={address.user}", f"--database={address.database}")
        return (str(program), "--no-defaults", *where, "--default-character-set=utf8mb4"), {"MYSQL_PWD": secret}
    if address.dialect == "postgresql":
        from thplugins_dbmigration.engines import postgresql_server

        program = postgresql_server.program(installation.programs, "psql")
        where = (f"--host={address.socket}", f"--username={address.user}", f"--dbname={address.database}")
        return (str(program), *where), {"PGPASSWORD": secret}
    if address.dialect == "sqlite":
        return (str(_sqlite()), address.database), {}
    raise InfrastructureError(f"there is no client for {address.dialect}", code="engine-missing")


def _sqlite() -> Path:
    found = find(("sqlite3",), search_path())
    if found is None:
        raise InfrastructureError("there is no sqlite3; install it (Debian: sqlite3)", code="engine-missing")
    return found
