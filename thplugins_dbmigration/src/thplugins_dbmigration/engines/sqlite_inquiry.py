"""Questions to an SQLite database."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from thcore.errors import StoppedError
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.inquiry import MOST, Ask, Clock, Unanswered, open_transaction

_STEPS = 200_000
"""After how many steps of SQLite's machine a long question looks at the time."""
_FORBIDDEN = frozenset({sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})


@contextlib.contextmanager
def opened(address: Address, earlier: Sequence[str], check: Callable[[], None]) -> Iterator[Ask]:
    """Ask in a transaction that is undone, in which the open one of the failed statement is as far as that was. What
    cannot be repeated of it is left out altogether. ``check`` raises when the build is told to end."""
    clock, repeated = Clock(), open_transaction(earlier)
    uri = f"{Path(address.database).as_uri()}?mode={'rw' if repeated else 'ro'}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=3.0, isolation_level=None)
    except sqlite3.Error as error:
        raise Unanswered(str(error)) from error

    def late() -> int:
        try:
            check()
            clock.left_s()
        except (StoppedError, Unanswered):
            return 1
        return 0

    def ask(statement: str) -> tuple[Mapping[str, Any], ...]:
        clock.left_s()
        try:
            cursor = connection.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            return tuple(dict(zip(names, row, strict=True)) for row in cursor.fetchmany(MOST))
        except (sqlite3.Error, sqlite3.Warning, UnicodeError, ValueError) as error:
            check()  # a question that was interrupted because the build is over
            raise Unanswered(str(error)) from error

    with contextlib.closing(connection):
        connection.set_authorizer(_authorize)
        connection.set_progress_handler(late, _STEPS)
        connection.text_factory = lambda found: found.decode("utf-8", "replace")
        ask("BEGIN")
        try:
            for statement in repeated:
                ask(statement)
        except Unanswered:
            ask("ROLLBACK")
            ask("BEGIN")
        yield ask


def _authorize(action: int, _first: str | None, second: str | None, *_where: str | None) -> int:
    extends = action == sqlite3.SQLITE_FUNCTION and second == "load_extension"
    return sqlite3.SQLITE_DENY if action in _FORBIDDEN or extends else sqlite3.SQLITE_OK
