"""What the project does in SQLite files. No server can tell, so that its interpreter observes its connections.

The classes of the module ``sqlite3`` give way to these, and all that is made of it works with them: SQLAlchemy, Django,
yoyo. What is done through another module, or by another program, is not seen. A connection keeps a progress
handler that the project sets, and a trace callback; authorizers are the project's alone.

Some migrations run a million statements, each in a microsecond. To look at one takes nearly as long, so that this ends
when it has cost too much: SQLite goes on counting.
"""

import functools
import sqlite3
import sys
from sqlite3 import Connection as PlainConnection
from sqlite3 import Cursor as PlainCursor
from typing import Any, Callable, Dict, Optional

from .sqlite_account import TICK, Account, Entry, clock
from .sqlite_ledger import Ledger
from .sqlite_script import Script

MANY = 10000
"""After how many alike statements it is asked what they cost."""
OWN_HANDLER = "the project has a progress handler of its own"


def install(channel: Any) -> None:
    """Observe the connections of this interpreter. Called when ``sqlite3`` has been imported."""
    plain = sqlite3.connect

    @functools.wraps(plain)
    def connect(*arguments: Any, **options: Any) -> Any:
        if len(arguments) < 6:  # the sixth is the class as well
            options.setdefault("factory", Connection)
        return plain(*arguments, **options)

    for module in (sqlite3, sqlite3.dbapi2):
        for thing in (connect, Connection, Cursor):
            setattr(module, thing.__name__, thing)
    channel.instruments.append(ledger)


ledger = Ledger()


class Connection(PlainConnection):
    thcore_account: Optional[Account] = None
    thcore_changes = 0
    """The rows that it has changed and that are entered."""
    thcore_late: Optional[Entry] = None
    """The last one whose rows may not be entered yet."""
    thcore_pages: Dict[str, int] = {}  # noqa: RUF012 - never changed in place
    thcore_traced: Optional[Callable[[str], Any]] = None
    """The project's trace callback."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.thcore_account = ledger.opened(self)
        self.set_progress_handler(None, TICK)

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(Cursor if factory is None else factory)

    if sys.version_info >= (3, 9):  # before, it calls the methods below

        def __exit__(self, kind: Any, *arguments: Any) -> Any:
            return entered(self, "COMMIT" if kind is None else "ROLLBACK", super().__exit__, kind, *arguments)

    def commit(self) -> None:
        entered(self, "COMMIT", super().commit)

    def rollback(self) -> None:
        entered(self, "ROLLBACK", super().rollback)

    def close(self) -> None:
        self.thcore_look()
        super().close()
        self.thcore_account = None

    def set_progress_handler(self, progress_handler: Any, n: int) -> None:
        account = self.thcore_account
        if account is not None and progress_handler is None:
            progress_handler, n = account.tick, TICK
        elif account is not None:
            account.unknown["vm_steps"] = OWN_HANDLER
        super().set_progress_handler(progress_handler, n)

    def set_trace_callback(self, trace_callback: Any) -> None:
        self.thcore_traced = trace_callback
        super().set_trace_callback(trace_callback)

    def thcore_look(self) -> None:
        """Enter what it has done since it was looked at last."""
        account = self.thcore_account
        if account is None:
            return
        self.thcore_settle(account)
        if ledger.pages is not None:
            before, self.thcore_pages = self.thcore_pages, ledger.pages(self) or self.thcore_pages
            account.turned({name: number - before.get(name, 0) for name, number in self.thcore_pages.items()})

    def thcore_settle(self, account: Account) -> None:
        """Enter the rows that SQLite has counted since the last statement was looked at."""
        late, self.thcore_late = self.thcore_late or account.rest, None
        before, self.thcore_changes = self.thcore_changes, self.total_changes
        late.rows += self.thcore_changes - before


def entered(connection: Connection, sql: str, do: Callable[..., Any], *arguments: Any) -> Any:
    """Do what ends a transaction, if there is one."""
    account = connection.thcore_account
    if account is None or not connection.in_transaction:
        return do(*arguments)
    entry = account.starts(sql)
    began = clock()
    try:
        return do(*arguments)
    except Exception as error:
        entry = account.failed(entry, error)
        raise
    finally:
        account.ended(entry, clock() - began, 0)


def running(name: str) -> Callable[..., Any]:
    """A connection's method that runs a statement with a cursor of its own."""

    def run(self: Any, *arguments: Any) -> Any:
        return getattr(PlainConnection.cursor(self, Cursor), name)(*arguments)

    return functools.wraps(getattr(PlainConnection, name))(run)


def executing(do: Callable[..., Any]) -> Callable[..., Any]:
    """A cursor's method that runs a statement. Whatever is done in here is paid for each one."""

    @functools.wraps(do)
    def execute(self: Any, sql: Any, *arguments: Any) -> Any:
        connection = self.connection
        account = connection.thcore_account
        if account is None:
            return do(self, sql, *arguments)
        if connection.thcore_late is not None:
            connection.thcore_settle(account)
        self.thcore_entry = entry = account.starts(sql)
        began = clock()
        try:
            return do(self, sql, *arguments)
        except Exception as error:
            entry = account.failed(entry, error)
            raise
        finally:
            wall = clock() - began
            changes = connection.total_changes
            account.ended(entry, wall, changes - connection.thcore_changes)
            connection.thcore_changes = changes
            if entry.late:
                connection.thcore_late = entry
            if not entry.calls % MANY:
                unlooked(entry)

    return execute


def unlooked(entry: Entry) -> bool:
    """Look away from statements where there are so many that to look costs too much; whether that is so."""
    if entry.calls % MANY or not ledger.costs_too_much():
        return False
    ledger.look_away(look_back)
    look_away()
    return True


def scripting(do: Callable[..., Any]) -> Callable[..., Any]:
    """A cursor's method that runs many statements."""

    @functools.wraps(do)
    def executescript(self: Any, sql_script: Any) -> Any:
        connection = self.connection
        account = connection.thcore_account
        if account is None or not isinstance(sql_script, str):
            return do(self, sql_script)
        if connection.thcore_late is not None:
            connection.thcore_settle(account)
        script = Script(connection, account, sql_script, unlooked)
        PlainConnection.set_trace_callback(connection, script)
        error: Optional[BaseException] = None
        try:
            return do(self, sql_script)
        except Exception as raised:
            error = raised
            raise
        finally:
            PlainConnection.set_trace_callback(connection, connection.thcore_traced)
            script.end(error)

    return executescript


def fetching(do: Callable[..., Any]) -> Callable[..., Any]:
    """A cursor's method that fetches many rows at once."""

    @functools.wraps(do)
    def fetch(self: Any, *arguments: Any, **options: Any) -> Any:
        entry = self.thcore_entry
        if entry is None:
            return do(self, *arguments, **options)
        began = clock()
        try:
            return do(self, *arguments, **options)
        finally:
            entry.wall += clock() - began

    return fetch


class Cursor(PlainCursor):
    thcore_entry: Optional[Entry] = None
    """Of the statement that it runs. The time in which rows are fetched one by one is not entered, as most of it is
    not SQLite's."""

    fetchall = fetching(PlainCursor.fetchall)
    fetchmany = fetching(PlainCursor.fetchmany)


def look_back() -> None:
    """Look at statements, from now on."""
    for name, told in (("execute", executing), ("executemany", executing), ("executescript", scripting)):
        setattr(Cursor, name, told(getattr(PlainCursor, name)))
        if sys.version_info >= (3, 11):  # before, a connection asks for a cursor itself
            setattr(Connection, name, running(name))


def look_away() -> None:
    """Leave them to SQLite alone."""
    for name in ("execute", "executemany", "executescript"):
        delattr(Cursor, name)
        if name in vars(Connection):
            delattr(Connection, name)


for kind in (Connection, Cursor):
    kind.__module__ = "sqlite3"
look_back()
