"""The statements that MySQL and MariaDB have run, from their performance_schema.

The server keeps the last statements of all sessions one by one, and sums of all of them by digest: their text without
its values. The gate's own accounts are left out by the server itself.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import Event, folded
from thplugins_dbmigration.engines.private import pause
from thplugins_dbmigration.measure.mysql import STATEMENT_COUNTERS

KEPT = 2000
"""How many statements the server keeps one by one; of older ones only the sums are left."""
LONGEST = 8192
"""How many bytes of a statement the server keeps."""
SETTINGS = (
    "--loose-performance-schema=ON",
    # Of all that can be watched, statements alone: the rest costs time with every row and every lock.
    "--loose-performance-schema-instrument=%=OFF",
    "--loose-performance-schema-instrument=statement/%=ON",
    "--loose-performance-schema-consumer-events-statements-current=ON",
    "--loose-performance-schema-consumer-events-statements-history-long=ON",
    "--loose-performance-schema-consumer-events-statements-history=OFF",
    f"--loose-performance-schema-events-statements-history-long-size={KEPT}",
    f"--loose-performance-schema-max-sql-text-length={LONGEST}",
    # Not what triggers and procedures run for a statement: it is in the statement's own counters already.
    "--loose-performance-schema-max-statement-stack=1",
    "--loose-performance-schema-events-statements-history-size=0",
    "--loose-performance-schema-digests-size=2000",
    # Sums by session are of no use here, and take memory.
    "--loose-performance-schema-accounts-size=0",
    "--loose-performance-schema-users-size=0",
    "--loose-performance-schema-hosts-size=0",
)
"""What a server is started with, so that it keeps them. One that was built without them does not mind."""
NOT_KEPT = "the server was built without performance_schema"

ENDING_S = 0.1
"""How long a statement that has been answered may take to end."""

_PS_IN_S = 10**12
_PS_IN_US = 10**6
_WHOLE = {"Innodb_lsn_current": "redo log is counted for the whole server only: see the step"}
_NOT_LOCKED = {"lock_time_us": "what DDL works before it takes its last lock is counted as waiting"}
_LOCK_TIME = "lock_time_us"
_COUNTERS = tuple(name for name in STATEMENT_COUNTERS if name not in {_LOCK_TIME, *_WHOLE})
_NAMES = tuple(name.upper() for name in _COUNTERS)
_MANY = frozenset({
    "begin", "commit", "rollback", "savepoint", "release_savepoint", "rollback_to_savepoint",
    "select", "insert", "insert_select", "replace", "replace_select",
    "update", "update_multi", "delete", "delete_multi", "call_procedure",
    "set_option", "change_db", "empty_query", "Execute", "Prepare", "Close stmt", "Reset stmt", "Ping",
})  # fmt: skip
"""The kinds of statements that come in great numbers and are told as one where they are alike: never DDL."""

_THREAD = "(SELECT THREAD_ID FROM performance_schema.threads WHERE PROCESSLIST_ID = CONNECTION_ID())"
_OWN = "UPDATE performance_schema.threads SET INSTRUMENTED = %s, HISTORY = 'NO' WHERE PROCESSLIST_ID = CONNECTION_ID()"
_COLUMNS = (
    "EVENT_NAME, TIMER_START, TIMER_WAIT, CAST(SQL_TEXT AS BINARY), DIGEST, ERRORS, MYSQL_ERRNO, RETURNED_SQLSTATE, "
    f"CAST(MESSAGE_TEXT AS BINARY), LOCK_TIME, {', '.join(_NAMES)}"
)
_ENDED = f"SELECT {_COLUMNS} FROM performance_schema.events_statements_history_long WHERE TIMER_START >= %s"  # noqa: S608 - constants
_RUNNING = (
    f"SELECT {_COLUMNS} FROM performance_schema.events_statements_current "  # noqa: S608 - idem
    f"WHERE END_EVENT_ID IS NULL AND TIMER_START >= %s AND THREAD_ID <> {_THREAD}"
)
_SUMS = (
    "SELECT DIGEST, CAST(DIGEST_TEXT AS BINARY), COUNT_STAR, SUM_TIMER_WAIT, SUM_LOCK_TIME, "  # noqa: S608 - idem
    f"{', '.join(f'SUM_{name}' for name in _NAMES)} "
    "FROM performance_schema.events_statements_summary_by_digest ORDER BY FIRST_SEEN"
)


@frozen
class Mark:
    """A moment on the server's own clock for statements, in picoseconds; None where it notes none."""

    timer: int | None


def leaving_out(account: str) -> str:
    """What an administrator says, ended by a semicolon, so that sessions of an account of the gate's own, which come
    after that, are not noted."""
    values = f"('localhost', '{account}', '%', 'NO', 'NO')"
    return f"INSERT INTO performance_schema.setup_actors VALUES {values};\n"  # noqa: S608 - a name of ours


def kept(cursor: Any) -> bool:
    """Whether the server notes statements."""
    cursor.execute("SHOW GLOBAL VARIABLES LIKE 'performance_schema'")
    row = cursor.fetchone()
    return row is not None and row[1] == "ON"


def marked(cursor: Any) -> Mark:
    """Forget all that was noted, and note what comes."""
    # The clock is told to those alone who are watched themselves.
    cursor.execute(_OWN, ("YES",))
    cursor.execute(
        "SELECT TIMER_START FROM performance_schema.events_statements_current "  # noqa: S608 - constants
        f"WHERE END_EVENT_ID IS NULL AND THREAD_ID = {_THREAD}"
    )
    row = cursor.fetchone()
    if row is None:
        return Mark(None)
    cursor.execute(_OWN, ("NO",))
    _running(cursor, 0)  # what ends after the sums are emptied would be in them
    cursor.execute("TRUNCATE TABLE performance_schema.events_statements_history_long")
    cursor.execute("TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")
    return Mark(int(row[0]))


def noted(cursor: Any, mark: Mark) -> tuple[Statement, ...]:
    """The statements since the mark, in the order in which they began."""
    if mark.timer is None:
        return ()
    running = _running(cursor, mark.timer)
    cursor.execute(_ENDED, (mark.timer,))
    ended = [_event(row, mark.timer) for row in cursor.fetchall()]
    began = {event.statement.began_s for event in ended}
    running = [event for event in running if event.statement.began_s not in began]  # they have ended just now
    forgotten: Sequence[Statement] = ()
    if len(ended) >= KEPT:
        cursor.execute(_SUMS)
        forgotten = tuple(_forgotten(cursor.fetchall(), ended))
    return (*forgotten, *folded([*ended, *running]))


def _running(cursor: Any, since: int) -> list[Event]:
    """What has not ended, and does not end at once: a client has its answer a moment before that."""
    deadline = time.monotonic() + ENDING_S
    while True:
        cursor.execute(_RUNNING, (since,))
        running = [_event(row, since) for row in cursor.fetchall()]
        if not running or time.monotonic() > deadline:
            return running
        pause(0.002)


def _event(row: Sequence[Any], since: int) -> Event:
    name, start, wait, text, digest, errors, errno, state, message, lock, *values = row
    kind = str(name).rpartition("/")[2]
    many = kind in _MANY or kind.startswith("show_")
    raw = bytes(text or b"")
    # A character is never cut in two.
    cut = {"text": f"the server keeps the first {LONGEST} bytes of it"} if len(raw) > LONGEST - 4 else {}
    unknown = {**cut, **_WHOLE, **({} if many else _NOT_LOCKED)}
    statement = Statement(
        text=_read(raw) or f"({kind})",
        began_s=(int(start) - since) / _PS_IN_S,
        wall_s=int(wait or 0) / _PS_IN_S,
        error=f"{errno} ({state}): {_read(message)}" if errors else "",
        counters=_counters(lock, values, unknown),
        unknown=unknown,
    )
    return Event(statement, str(digest) if digest and many and not errors else "", str(digest or ""))


def _counters(lock: int, values: Iterable[int], unknown: Mapping[str, str]) -> dict[str, int | None]:
    known = {_LOCK_TIME: int(lock) // _PS_IN_US, **dict(zip(_COUNTERS, map(int, values), strict=True))}
    return {**known, **dict.fromkeys(unknown.keys() & STATEMENT_COUNTERS.keys())}


def _forgotten(sums: Iterable[Sequence[Any]], ended: Iterable[Event]) -> Iterator[Statement]:
    """What the sums hold more than the statements that are still there one by one."""
    there: dict[str, list[Statement]] = collections.defaultdict(list)
    for event in ended:
        there[event.digest].append(event.statement)
    for digest, text, count, wait, lock, *values in sums:
        known = there[str(digest or "")]
        calls = int(count) - len(known)
        if calls <= 0:
            continue
        totals = _counters(lock, values, _WHOLE)
        yield Statement(
            text=_read(text) or "(statements of many kinds)",
            began_s=0.0,
            wall_s=max(0.0, int(wait) / _PS_IN_S - sum(statement.wall_s for statement in known)),
            calls=calls,
            counters={
                name: None if total is None else max(0, total - _sum(known, name)) for name, total in totals.items()
            },
            unknown={
                **_WHOLE,
                "text": "the server keeps no values of so many statements",
                "began_s": f"before all others: the server keeps the times of the last {KEPT} only",
                "error": f"whether any of them failed is not known; the server keeps the last {KEPT} only",
            },
        )


def _sum(statements: Iterable[Statement], counter: str) -> int:
    return sum(statement.counters.get(counter) or 0 for statement in statements)


def _read(text: Any) -> str:
    return bytes(text or b"").decode("utf-8", "replace").strip()
