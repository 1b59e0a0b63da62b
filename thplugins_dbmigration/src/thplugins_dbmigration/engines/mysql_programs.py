"""The programs of MySQL and MariaDB, which are called by different names and lie in different places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.programs import SYSTEM, find

SERVERS = ("mariadbd", "mysqld")
CLIENTS = ("mariadb", "mysql")


def is_mariadb(installation: Installation) -> bool:
    """Whether it is MariaDB, which has programs and options of its own."""
    return "mariadb" in installation.version.lower()


def places(programs: Path | None, *more: str) -> tuple[str, ...]:
    """Where the other programs of the same installation are: beside the server, and in the other bin directories."""
    if programs is None or str(programs) in SYSTEM:
        return tuple(SYSTEM)
    return (str(programs), *(str(programs.parent / name) for name in ("bin", "sbin", *more)))


def program(programs: Path | None, names: Sequence[str]) -> Path:
    """One of an installation's programs. Raises InfrastructureError (``engine-missing``)."""
    found = find(names, ([str(programs)] if programs else []) + list(places(programs)))
    if found is None:
        raise InfrastructureError(
            f"none of {', '.join(names)} is in {programs} or near it; install the whole of MariaDB (Debian: "
            "mariadb-server and mariadb-client)",
            code="engine-missing",
        )
    return found
