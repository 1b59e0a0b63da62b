"""Questions to a database of MySQL or MariaDB, as the project's own account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pymysql
import pymysql.cursors

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.inquiry import MOST, Ask, Clock, Unanswered


@contextlib.contextmanager
def opened(address: Address, *, mariadb: bool) -> Iterator[Ask]:
    """Ask in a transaction that can only read. What a failed statement left is there: DDL is never undone."""
    clock = Clock()
    try:
        connection = pymysql.connect(
            unix_socket=str(address.socket),
            user=address.user,
            password=address.password.reveal(),
            database=address.database,
            charset="utf8mb4",
            connect_timeout=5,
            read_timeout=int(clock.left_s()) + 5,
            ssl_disabled=True,
            cursorclass=pymysql.cursors.DictCursor,
        )
    except (pymysql.MySQLError, OSError) as error:
        raise Unanswered(str(error)) from error
    with contextlib.closing(connection), connection.cursor() as cursor:

        def ask(statement: str) -> tuple[Mapping[str, Any], ...]:
            left_s = clock.left_s()
            limit = f"max_statement_time = {left_s:.3f}" if mariadb else f"max_execution_time = {left_s * 1000:.0f}"
            try:
                cursor.execute(f"SET SESSION {limit}")
                cursor.execute(statement)
                return tuple(cursor.fetchmany(MOST))
            except (pymysql.MySQLError, OSError, UnicodeError) as error:
                raise Unanswered(str(error)) from error

        ask("SET SESSION lock_wait_timeout = 3, innodb_lock_wait_timeout = 3")
        ask("START TRANSACTION READ ONLY")
        yield ask
