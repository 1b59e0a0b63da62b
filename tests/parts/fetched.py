"""Database servers of other releases than the machine's, which ``.ci/servers`` unpacks into the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import frozen

from thplugins_dbmigration.options import DbmigrationSettings

_PLACE = Path(__file__).parents[2] / ".servers"


@frozen
class Fetched:
    """A server by its name in ``.ci/servers``: its engine, and where its programs are below its directory."""

    name: str
    engine: str
    programs: str

    def __str__(self) -> str:
        return self.name

    def settings(self) -> DbmigrationSettings:
        """The settings of a worker that uses it. The test is skipped where it has not been fetched."""
        place = _PLACE / self.name
        if not place.is_dir():
            pytest.skip(f"{self.name} is not there; run `.ci/servers {self.name}`")
        named: Mapping[str, Path] = {f"{self.engine}_programs": place / self.programs}
        return DbmigrationSettings(**named)


FETCHED = (
    Fetched("mysql", "mysql", "usr/sbin"),
    Fetched("mariadb-11.8", "mysql", "usr/sbin"),
    Fetched("postgresql-17", "postgresql", "usr/lib/postgresql/17/bin"),
    Fetched("postgresql-18", "postgresql", "usr/lib/postgresql/18/bin"),
)
