"""Questions to a database of PostgreSQL, as the project's own account."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.inquiry import MOST, Ask, Clock, Unanswered, open_transaction


@contextlib.contextmanager
def opened(address: Address, earlier: Sequence[str]) -> Iterator[Ask]:
    """Ask in a transaction that is undone, in which the open one of the failed statement is as far as that was. What
    cannot be repeated of it is left out altogether."""
    clock = Clock()
    try:
        connection = psycopg.connect(
            host=str(address.socket),
            dbname=address.database,
            user=address.user,
            password=address.password.reveal(),
            connect_timeout=5,
            row_factory=dict_row,
            options="-c lock_timeout=3s",
        )
    except psycopg.Error as error:
        raise Unanswered(str(error)) from error

    def ask(statement: str) -> tuple[Mapping[str, Any], ...]:
        left_ms = int(clock.left_s() * 1000) + 1
        try:
            with connection.transaction():  # in the one around: an error undoes this question alone
                connection.execute(f"SET LOCAL statement_timeout = {left_ms}")
                cursor = connection.execute(statement)
                return tuple(cursor.fetchmany(MOST)) if cursor.description is not None else ()
        except (psycopg.Error, UnicodeError) as error:
            raise Unanswered(str(error).strip()) from error

    with contextlib.closing(connection):
        connection.execute("SELECT 1")  # which begins the transaction around
        with contextlib.suppress(Unanswered):
            if repeated := open_transaction(earlier):
                ask(";\n".join(repeated))
        yield ask
