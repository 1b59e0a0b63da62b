"""What is done in one SQLite file, by all connections of this interpreter.

Alike statements are one entry, however many there are, so that a migration that goes row by row has few. What changes
the schema is never taken together, and nothing is taken together across it: whoever runs the entries in their order
gets the same schema.
"""

import re
import time
from typing import Any, Dict, List, Tuple

TICK = 1000
"""After how many steps of SQLite's machine it tells that they were made. What a prepared statement has made since its
last full thousand stays untold: the count is too low by less than this for each, and always by the same on the same
data."""
SLACK = 1000000
"""As many steps may stay untold without a word."""
LEAST = 3
"""Steps that it takes at least to change a row."""
UNTOLD = "more of them may be in short statements, each of another text, than were counted"
PREPARED = 100
"""So many statements Python keeps prepared; later versions a few more."""
COST, COST_OF_TEXT = 0.7e-6, 3e-6
"""Seconds that it takes to enter a statement, and one whose text is new."""
MOST = 200
"""Entries in one step, and as many again of statements that failed; what comes then is one more."""
FURTHER = "(further statements)"
AWAY = "(further statements, too many and too short to be looked at)"
LONGEST = 2000
"""Characters of a statement."""

clock = time.monotonic  # taken now; the system's, so that the gate can compare it with its own

FIRST = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w*)", re.DOTALL)
READING = frozenset(("explain", "pragma", "select", "values", "with"))
"""How statements begin that do most of their work while their rows are fetched."""
NAMED = frozenset(("release", "rollback", "savepoint"))
"""How statements begin that end with a name, which is made for the moment."""
ALIKE = NAMED | frozenset(
    ("begin", "commit", "delete", "end", "explain", "insert", "replace", "select", "update", "values", "with")
)
"""How statements begin that leave the schema as it is."""
RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)
VALUE = re.compile(r"[xX]?'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
LIST = re.compile(r"(?:\?|%s)(?:\s*,\s*(?:\?|%s))+")


class Entry:
    """A statement, or several that are alike. ``began`` is when the first did, ``wall`` seconds in all ``calls``
    together. ``rows`` are those that were changed, ``ticks`` count ``TICK`` steps of SQLite's machine each. One that is
    ``reading`` works on while its rows are fetched; the rows that it changes are ``late``."""

    __slots__ = ("began", "calls", "error", "late", "reading", "rows", "text", "ticks", "wall")

    def __init__(self, text: str, error: str = "") -> None:
        self.text = text
        self.error = error
        self.reading = self.late = False
        self.began = self.wall = 0.0
        self.calls = self.rows = self.ticks = 0


class Account:
    """Of one file. ``counted`` is what the steps that are over took together; ``unknown`` tells why something in it
    cannot be told."""

    def __init__(self) -> None:
        self.counted = {"rows_changed": 0, "vm_steps": 0}
        self.unknown: Dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """A step starts: what was before is of no interest."""
        self.entries: List[Entry] = []
        self.known: Dict[Any, Entry] = {}
        self.shapes: Dict[Tuple[str, str], Entry] = {}
        self.rest = Entry(FURTHER)
        self.running = self.reading = self.rest
        """What runs, and the last one whose rows may still be fetched."""
        self.ticks_before = 0
        """The ticks of what runs, when it began."""
        self.prepared = 0
        """How many statements had to be."""
        self.pages: Dict[str, int] = {}

    def end(self) -> Tuple[List[Entry], Dict[str, str]]:
        """A step is over: its entries, in the order in which they began, and why something of it is unknown."""
        if self.rest.text == AWAY:
            self.rest.wall = clock() - self.rest.began
        entries = [*self.entries, self.rest]
        took = {
            "rows_changed": sum(entry.rows for entry in entries),
            "vm_steps": sum(entry.ticks for entry in entries) * TICK,
            **self.pages,
        }
        for name, number in took.items():
            self.counted[name] = self.counted.get(name, 0) + number
        unknown = dict(self.unknown)
        if max(self.prepared * TICK, took["rows_changed"] * LEAST) > max(SLACK, took["vm_steps"]):
            unknown.setdefault("vm_steps", UNTOLD)
        self.begin()
        return sorted((entry for entry in entries if entry.calls or entry.rows), key=lambda entry: entry.began), unknown

    def turned(self, pages: Dict[str, int]) -> None:
        """A connection has had to do with so many pages more."""
        for name, number in pages.items():
            self.pages[name] = self.pages.get(name, 0) + number

    def tick(self) -> None:
        """SQLite calls it. Any answer but a false one interrupts the statement."""
        self.running.ticks += 1

    def starts(self, sql: Any) -> Entry:
        """The entry of a statement that is asked for."""
        entry = self.known.get(sql) or self.entered(sql)
        self.running = entry
        self.ticks_before = entry.ticks
        return entry

    def ended(self, entry: Entry, wall: float, rows: int) -> None:
        """It has done what it does at once."""
        if not entry.calls:
            entry.began = clock() - wall
        entry.calls += 1
        entry.wall += wall
        entry.rows += rows
        if entry.reading:
            self.reading = entry
        self.running = self.reading

    def cost(self) -> float:
        """About how many seconds it took until now to enter all of this."""
        return sum(entry.calls for entry in self.entries) * COST + self.prepared * COST_OF_TEXT

    def look_away(self) -> None:
        """What comes now is one entry, which lasts to the end of the step."""
        self.entries.append(self.rest)
        self.rest = self.running = self.reading = Entry(AWAY)
        self.rest.began = clock()

    def failed(self, entry: Entry, error: BaseException) -> Entry:
        """The entry of those that fail in the same way, instead."""
        name = getattr(error, "sqlite_errorname", None) or type(error).__name__  # since Python 3.11; before
        failed = self.alike(entry.text, "{}: {}".format(name, error)[:LONGEST])
        failed.ticks += entry.ticks - self.ticks_before
        entry.ticks = self.ticks_before
        return failed

    def entered(self, sql: Any) -> Entry:
        self.prepared += 1
        text = str(sql)[:LONGEST]
        found = FIRST.match(text)
        word = found.group(1).lower() if found else ""
        if word in ALIKE or (word == "pragma" and "=" not in text):
            entry = self.alike(text, "", word)
            if isinstance(sql, str) and len(sql) < LONGEST:
                if len(self.known) >= PREPARED:
                    self.known.clear()
                self.known[sql] = entry
        else:
            self.known.clear()
            self.shapes.clear()
            entry = self.alike(text, "", word)
        entry.late = RETURNING.search(text) is not None
        entry.reading = entry.late or word in READING
        return entry

    def alike(self, text: str, error: str, word: str = "") -> Entry:
        key = shape(text, word), error
        entry = self.shapes.get(key)
        if entry is None:
            if len(self.entries) >= (2 * MOST if error else MOST):
                return self.rest
            entry = self.shapes[key] = Entry(text, error)
            self.entries.append(entry)
        return entry


def shape(text: str, word: str) -> str:
    """What is the same in statements that are alike; ``word`` is the first one."""
    if word == "pragma":
        return text.partition("(")[0]
    if word in NAMED:
        return text.rstrip().rpartition(" ")[0] or text
    text = VALUE.sub("?", text)
    return LIST.sub("?", text) if "?, ?" in text or "%s, %s" in text else text
