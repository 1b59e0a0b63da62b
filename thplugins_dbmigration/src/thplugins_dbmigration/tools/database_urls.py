"""The URLs of a database by the drivers that a project may have."""

from __future__ import annotations

from collections.abc import Mapping

from thplugins_dbmigration.address import Address

Drivers = Mapping[str, tuple[tuple[str, str], ...]]
"""By dialect: how URLs name each driver, and its module, in the order in which they are tried."""

SQLALCHEMY: Drivers = {
    "mysql": (("pymysql", "pymysql"), ("mysqldb", "MySQLdb"), ("mysqlconnector", "mysql.connector")),
    "postgresql": (("psycopg2", "psycopg2"), ("psycopg", "psycopg"), ("pg8000", "pg8000")),
}


def candidates(address: Address, wanted: Mapping[str, str], drivers: Drivers = SQLALCHEMY) -> list[list[str]]:
    """Pairs of a module and a URL; the first whose module the project has is to be taken. ``wanted`` is the driver by
    dialect, as a job says it."""
    known = drivers.get(address.dialect, (("", ""),))
    named = wanted.get(address.dialect)
    chosen = known if named is None else ((named, dict(known).get(named, "")),)
    return [[module, address.url(driver or None)] for driver, module in chosen]
