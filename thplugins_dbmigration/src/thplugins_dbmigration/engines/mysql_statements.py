"""The statements that MySQL and MariaDB have run, from their performance_schema.

The server keeps the last statements of all sessions one by one, and sums of all of them by digest: their text without
its values. The gate's own accounts are left out by the server itself.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from attrs import frozen

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import Gathering, in_order
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
    # Each mutex, lock and file is asked whether it is watched, even if none is, unless there is no room for its kind.
    "--loose-performance-schema-max-mutex-classes=0",
    "--loose-performance-schema-max-rwlock-classes=0",
    "--loose-performance-schema-max-cond-classes=0",
    "--loose-performance-schema-max-file-classes=0",
    "--loose-performance-schema-max-socket-classes=0",
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
# All is one column: of thousands of rows, the driver takes longer for each column than the server for all. An error may
# have any bytes in it, and so may the text, which therefore comes last.
_COLUMNS = (
    "CONCAT_WS('\n', EVENT_NAME, COALESCE(DIGEST, ''), IF(ERRORS, HEX(CONCAT("
    "MYSQL_ERRNO, ' (', RETURNED_SQLSTATE, '): ', CAST(COALESCE(MESSAGE_TEXT, '') AS BINARY))), ''), "
    f"CONCAT_WS(' ', TIMER_START, COALESCE(TIMER_WAIT, 0), LOCK_TIME, {', '.join(_NAMES)}), "
    "CAST(COALESCE(SQL_TEXT, '') AS BINARY))"
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
    ended = [_Event.of(row) for row in cursor.fetchall()]
    began = {event.start for event in ended}
    running = [event for event in running if event.start not in began]  # they have ended just now
    forgotten: Sequence[Statement] = ()
    if len(ended) >= KEPT:
        cursor.execute(_SUMS)
        forgotten = tuple(_forgotten(cursor.fetchall(), ended))
    return (*forgotten, *in_order(_told(group, mark.timer) for group in _groups([*ended, *running])))


class _Event(NamedTuple):
    """A statement as it was run; times are in picoseconds on the server's clock, ``values`` are of ``_COUNTERS``."""

    kind: str
    text: bytes
    digest: str
    """What the server calls its text without the values; empty where it has no name for it."""
    error: bytes
    start: int
    wait: int
    lock: int
    values: tuple[int, ...]

    @classmethod
    def of(cls, row: Sequence[Any]) -> _Event:
        name, digest, error, numbers, text = bytes(row[0]).split(b"\n", 4)
        start, wait, lock, *values = map(int, numbers.split())
        kind = name.decode().rpartition("/")[2]
        return cls(kind, text, digest.decode(), bytes.fromhex(error.decode()), start, wait, lock, tuple(values))

    @property
    def many(self) -> bool:
        """Whether it is of a kind that comes in great numbers."""
        return self.kind in _MANY or self.kind.startswith("show_")

    @property
    def likeness(self) -> str:
        return self.digest if self.many and not self.error else ""


def _running(cursor: Any, since: int) -> list[_Event]:
    """What has not ended, and does not end at once: a client has its answer a moment before that."""
    deadline = time.monotonic() + ENDING_S
    while True:
        cursor.execute(_RUNNING, (since,))
        running = [_Event.of(row) for row in cursor.fetchall()]
        if not running or time.monotonic() > deadline:
            return running
        pause(0.002)


def _groups(events: Iterable[_Event]) -> Sequence[Sequence[_Event]]:
    """Those that are told as one, each group in the order in which they began."""
    gathering = Gathering[list[_Event]]()
    for event in sorted(events, key=lambda each: each.start):
        gathering.group(event.likeness, list).append(event)
    return gathering.all


def _told(events: Sequence[_Event], since: int) -> Statement:
    """Events that are alike as one statement, with the first one's text."""
    first = events[0]
    # A character is never cut in two.
    cut = {"text": f"the server keeps the first {LONGEST} bytes of it"} if len(first.text) > LONGEST - 4 else {}
    unknown = {**cut, **_WHOLE, **({} if first.many else _NOT_LOCKED)}
    return Statement(
        text=_read(first.text) or f"({first.kind})",
        began_s=(first.start - since) / _PS_IN_S,
        wall_s=sum(event.wait for event in events) / _PS_IN_S,
        calls=len(events),
        error=_read(first.error),
        counters=_counters(*_totals(events), unknown),
        unknown=unknown,
    )


def _totals(events: Iterable[_Event]) -> tuple[int, Sequence[int]]:
    """How long all of them waited for locks, in picoseconds, and what each of ``_COUNTERS`` is together."""
    lock, *values = map(sum, zip(*((event.lock, *event.values) for event in events), strict=True))
    return lock, values


def _counters(lock: int, values: Iterable[int], unknown: Mapping[str, str]) -> dict[str, int | None]:
    known = {_LOCK_TIME: lock // _PS_IN_US, **dict(zip(_COUNTERS, values, strict=True))}
    return {**known, **dict.fromkeys(unknown.keys() & STATEMENT_COUNTERS.keys())}


def _forgotten(sums: Iterable[Sequence[Any]], ended: Iterable[_Event]) -> Iterator[Statement]:
    """What the sums hold more than the statements that are still there one by one."""
    there: dict[str, list[_Event]] = collections.defaultdict(list)
    for event in ended:
        there[event.digest].append(event)
    for digest, text, *numbers in sums:
        count, wait, lock, *values = map(int, numbers)
        known = there[str(digest or "")]
        calls = count - len(known)
        if calls <= 0:
            continue
        known_lock, known_values = _totals(known) if known else (0, (0,) * len(values))
        rest = (max(0, all_of_them - known) for all_of_them, known in zip(values, known_values, strict=True))
        yield Statement(
            text=_read(text) or "(statements of many kinds)",
            began_s=0.0,
            wall_s=max(0, wait - sum(event.wait for event in known)) / _PS_IN_S,
            calls=calls,
            counters=_counters(max(0, lock - known_lock), rest, _WHOLE),
            unknown={
                **_WHOLE,
                "text": "the server keeps no values of so many statements",
                "began_s": f"before all others: the server keeps the times of the last {KEPT} only",
                "error": f"whether any of them failed is not known; the server keeps the last {KEPT} only",
            },
        )


def _read(text: Any) -> str:
    return bytes(text or b"").decode("utf-8", "replace").strip()
