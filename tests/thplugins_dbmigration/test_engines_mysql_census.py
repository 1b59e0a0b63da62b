from __future__ import annotations

from pathlib import Path

import pytest

from thplugins_dbmigration.engines import mysql_census

from parts.servers import MARIADB, ON_MARIADB, ground, query


@pytest.mark.system
@pytest.mark.skipif(not ON_MARIADB, reason="MySQL keeps its schemas in tables, and opens none")
def test_a_census_opens_the_tables_of_its_own_database_alone(tmp_path: Path) -> None:
    with ground(tmp_path, MARIADB) as made, made.server() as server:
        address = server.create("app", "app", "password")
        columns = mysql_census._COLUMNS.replace("%s", "'app'")
        told = query(address, f"EXPLAIN {columns}")

    assert len(told) == 2
    assert all("Scanned 1 database" in row[-1] for row in told)
