"""The statements of a script that is run at once, told one by one.

SQLite tells when it begins with one. Where it ends is where the next begins, and where the next is in the text is known
as well, so that what triggers and virtual tables run in between is not taken for a statement of the script.
"""

import sqlite3
from sqlite3 import Cursor as PlainCursor
from typing import Any, Callable, Iterator, Optional

from .sqlite_account import FIRST, Account, Entry, clock

TRIES = 1000
"""How many semicolons are looked at to find the end of one statement. Text in it can have any number."""


class Script:
    """Follows a script. It is called with each statement that SQLite begins with.

    ``unlooked`` is asked after each entry, and says whether no more are to be made; ``traced`` is the project's own
    callback.
    """

    def __init__(self, connection: Any, account: Account, script: str, unlooked: Callable[[Entry], bool]) -> None:
        self.connection = connection
        self.account = account
        self.unlooked = unlooked
        self.traced: Optional[Callable[[str], Any]] = connection.thcore_traced
        self.ahead = statements(script)
        self.next = next(self.ahead, "")
        self.current = ""
        self.commits = connection.in_transaction
        """Whether something is left to be committed before the script."""
        self.entry: Optional[Entry] = None
        self.began = 0.0
        self.blind = False

    def __call__(self, text: str) -> None:
        if not self.blind:
            self.begins(text.strip())
        if self.traced is not None:
            self.traced(text)

    def begins(self, text: str) -> None:
        if self.commits and self.entry is None and text == "COMMIT":
            self.turn(text)
        elif text == self.next or text == "-- " + self.next.replace("\n", "\n-- "):
            self.turn(self.next)
            self.next = next(self.ahead, "")
        elif text != self.current and not text.startswith("-- "):  # one with a parameter, which it shows as NULL
            self.turn(text)
            self.next = next(self.ahead, "")

    def turn(self, text: str) -> None:
        """The statement that ran is over, and another begins."""
        if self.entry is not None:
            self.over(self.entry)
            if self.unlooked(self.entry):
                self.blind = True
                return
        self.current = text
        self.entry = self.account.starts(text)
        self.began = clock()

    def over(self, entry: Entry) -> None:
        connection = self.connection
        changes = connection.total_changes
        self.account.ended(entry, clock() - self.began, changes - connection.thcore_changes)
        connection.thcore_changes = changes

    def end(self, error: Optional[BaseException] = None) -> None:
        """The script is over, or has failed. What cannot even be read never begins."""
        if self.blind:
            return
        if error is not None and (self.entry is None or self.unreadable(error)):
            self.turn(self.next or "(a script)")
        if self.blind or self.entry is None:
            return
        if error is not None:
            self.entry = self.account.failed(self.entry, error)
        self.over(self.entry)

    def unreadable(self, error: BaseException) -> bool:
        """Whether it is the next statement that the script fails at: SQLite has the same to say of it, unasked to run
        it. Some pragmas run when they are read."""
        if not self.next or first(self.next) == "pragma":
            return False
        cursor = PlainCursor(self.connection)
        try:
            cursor.execute("EXPLAIN " + self.next)
        except sqlite3.Error as other:
            return str(other) == str(error)
        finally:
            cursor.close()
        return False


def first(text: str) -> str:
    """Its first word."""
    found = FIRST.match(text + "\n")
    return found.group(1).lower() if found else ""


def statements(script: str) -> Iterator[str]:
    """What stands in a script, without what is a comment only. Ends early where one has no end to be found."""
    start = at = tries = 0
    while tries < TRIES:
        end = script.find(";", at)
        if end < 0:
            text = script[start:].strip()
            if first(text):
                yield text
            return
        at, tries = end + 1, tries + 1
        if sqlite3.complete_statement(script[start:at]):
            text = script[start:at].strip()
            if first(text):
                yield text
            start, tries = at, 0
