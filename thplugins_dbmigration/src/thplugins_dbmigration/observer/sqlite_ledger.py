"""The accounts of all SQLite files that an interpreter has open, and the one of them that the gate reads.

Between two steps, what was done since the first stands in a file beside the database.
"""

import contextlib
import json
import os
import weakref
from sqlite3 import Connection as PlainConnection
from sqlite3 import Cursor as PlainCursor
from typing import Any, Callable, Dict, List, Optional

from .sqlite_account import TICK, Account, Entry, clock
from .sqlite_pages import UNKNOWN, Ask, find

SUFFIX = "-observed"
"""What the file's name has after the database's."""
SHARE = 0.07
"""The part of a step's time that entering its statements may take."""


class Ledger:
    """The accounts of all files, and which of them is for the gate."""

    def __init__(self) -> None:
        self.accounts: Dict[str, Account] = {}
        self.connections: Any = weakref.WeakSet()
        self.pages: Optional[Ask] = None
        self.look_back: Optional[Callable[[], None]] = None
        """What to do when the next step begins, since statements are not looked at in this one."""
        self.file = ""
        self.began = 0.0

    def opened(self, connection: Any) -> Optional[Account]:
        """The account of a new connection, None for a database in memory."""
        cursor = PlainCursor(connection)
        files = [row[2] for row in cursor.execute("PRAGMA database_list") if row[1] == "main"]
        cursor.close()
        if not files or not files[0]:
            return None
        self.connections.add(connection)
        return self.accounts.setdefault(os.path.realpath(files[0]), Account())

    def chain(self, dialect: str, database: str) -> None:
        """Migrations of a database are about to run."""
        if dialect == "sqlite" and database:
            self.file = os.path.realpath(database)
            self.pages = self.pages or find()
            account = self.accounts.get(self.file)
            if account is not None:
                account.turned(self.none())
                account.end()
                self.rest()

    def begin(self) -> None:
        """A step begins. If its program does not live to tell of it, nothing must stand there."""
        self.look()
        for account in self.accounts.values():
            account.begin()
        if self.file in self.accounts:
            remove(self.file + SUFFIX)
        look_back, self.look_back = self.look_back, None
        if look_back is not None:
            look_back()
        self.began = clock()

    def costs_too_much(self) -> bool:
        """Whether it takes too much of the step's time to enter all of its statements."""
        cost = sum(account.cost() for account in self.accounts.values())
        return self.look_back is None and cost > SHARE * (clock() - self.began)

    def look_away(self, look_back: Callable[[], None]) -> None:
        """Nothing is entered until the next step begins, but what all statements took together."""
        self.look_back = look_back
        for account in self.accounts.values():
            account.look_away()

    def end(self, failed: bool) -> None:
        """It has ended. Where nothing was seen of one that ended well, not even how the tool wrote down its version,
        the migrations use SQLite in another way, and nothing is told. One that failed may have done nothing."""
        self.look()
        account = self.accounts.get(self.file)
        if account is not None:
            entries, unknown = account.end()
            if entries or failed:
                self.tell(account, entries, unknown)

    def rest(self) -> None:
        """Nothing is to be measured now: what comes next is compared with what stands here."""
        account = self.accounts.get(self.file)
        if account is not None:
            self.tell(account, [], account.unknown)

    def tell(self, account: Account, entries: List[Entry], unknown: Dict[str, str]) -> None:
        if self.pages is None:
            unknown = {**unknown, "pages": UNKNOWN}
        statements = [described(entry) for entry in entries]
        message = {"began": self.began, "counters": account.counted, "unknown": unknown, "statements": statements}
        write(self.file + SUFFIX, message)

    def none(self) -> Dict[str, int]:
        """No page, of each kind that this SQLite counts."""
        if self.pages is None:
            return {}
        with contextlib.closing(PlainConnection(":memory:")) as connection:
            return dict.fromkeys(self.pages(connection) or (), 0)

    def look(self) -> None:
        """Enter what all that is open has done."""
        for connection in list(self.connections):
            connection.thcore_look()


def described(entry: Entry) -> Dict[str, Any]:
    return {
        "text": entry.text,
        "began": entry.began,
        "wall_s": entry.wall,
        "calls": entry.calls,
        "error": entry.error,
        "rows_changed": entry.rows,
        "vm_steps": entry.ticks * TICK,
    }


def write(path: str, message: Dict[str, Any]) -> None:
    """Put it in the place of the one before. That it cannot be told is no reason to disturb the project."""
    try:
        with open(path + "~", "w", encoding="utf-8") as stream:
            json.dump(message, stream)
        os.replace(path + "~", path)
    except OSError:
        return


def remove(path: str) -> None:
    try:
        os.remove(path)
    except OSError:
        return
