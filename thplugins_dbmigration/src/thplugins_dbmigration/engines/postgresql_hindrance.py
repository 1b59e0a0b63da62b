"""Keeping a concurrent statement of PostgreSQL from its end.

``CREATE INDEX CONCURRENTLY`` waits, before it says that its index is valid, until no transaction is left that began
before; nothing else waits for one that only looks.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

_WAITED_FOR = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid)))"


@contextlib.contextmanager
def hindrance(connect: Callable[[], Any]) -> Iterator[Callable[[], bool]]:
    """See ``Server.hindrance``. ``connect`` answers a session of the superuser, or None."""
    holder, watcher = connect(), connect()
    free = threading.Lock()

    def waited_for() -> bool:
        with free:
            try:
                row = watcher.execute(_WAITED_FOR, (holder.info.backend_pid,)).fetchone()
            except psycopg.Error:  # the server has gone
                return False
            return bool(row[0])

    try:
        if holder is None or watcher is None:
            yield lambda: False
            return
        holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        yield waited_for
    finally:
        for session in (holder, watcher):
            if session is not None:
                with free:
                    session.close()
