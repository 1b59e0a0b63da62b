"""The line from the project's interpreter to the gate: one JSON object each way, in turn."""

import contextlib
import json
import os
import re
import sys
import traceback

# Taken now: a project may replace them, so that they wait in another way (eventlet, gevent).
from os import read, write
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from .frames import bounded, without_ours

LONGEST = 2000
"""Characters of a message or a statement."""
_LOOKING = re.compile(
    r"(\s|--[^\n]*\n|/\*.*?\*/)*"
    r"(begin|commit|desc|describe|explain|pragma|release|rollback|savepoint|select|set|show|start|use)\b",
    re.IGNORECASE | re.DOTALL,
)
"""How statements begin that change nothing in the database."""
TELL_COUNTS = "SELECT pg_stat_force_next_flush()"
"""A session of PostgreSQL that is idle after this statement has told what it has counted; the gate looks for it."""


class Channel:
    """Tells the gate what the project migrates. One for each interpreter.

    The program ends in here, between two steps, when the gate says so or is gone: nothing of the project prevents it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = False
        self.received = b""
        self.seen = False
        """Whether a chain has shown itself."""
        self.instruments: List[Any] = []
        """What measures in here: each has ``chain(dialect, database)``, ``begin()`` and ``end(failed)`` of a step, and
        ``rest()`` when the gate has read what there is of it. They let no exception out."""
        self.paused: Optional[Chain] = None
        """The chain whose step is to wait after some more statements."""

    def chain(
        self,
        tool: str,
        table: str,
        *,
        current: Iterable[str],
        head: Iterable[str],
        steps: Iterable[Dict[str, Any]],
        implied: Iterable[str] = (),
        dialect: str = "",
        database: str = "",
        names: Optional[Dict[str, List[str]]] = None,
    ) -> "Chain":
        """Tell that migrations of a chain are about to run; answers a ``Chain``, which says how far.

        ``table`` holds the versions, ``current`` are those that it lists now and ``head`` those that the command wants
        to end at, ``implied`` those that the head includes. ``steps`` is what leads there, in order: dictionaries of
        ``version``, ``parents``, ``title`` and ``path`` (absolute). ``dialect`` is SQLAlchemy's name of the database's
        kind and ``database`` the database's name, for SQLite the path of its file.
        """
        self.seen = True
        answer = self.ask(
            event="chain",
            tool=tool,
            table=table,
            dialect=dialect,
            database=database,
            current=sorted(current),
            head=sorted(head),
            implied=sorted(implied),
            steps=list(steps),
            names=names or {},
        )
        for instrument in self.instruments:
            instrument.chain(dialect, database)
        return Chain(self, answer["chain"], answer["run"])

    def ran(self, statement: str) -> None:
        """A statement of the project has been run, of a step or not. Waits there, if that is where the gate wants to
        break in."""
        chain = self.paused
        if chain is None or not changes(statement):
            return
        chain.left -= 1
        if chain.left == 0:
            self.paused = None
            self.ask(event="midway", chain=chain.number, step=chain.running)

    def unusable(self, error: BaseException) -> None:
        """Tell why no migration will show itself."""
        if not self.seen:
            self.ask(event="unusable", error=described(error))

    def telling(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """An ``excepthook`` that does what ``hook`` does, and tells what ended the program before any migration."""

        def excepthook(kind: Any, error: Any, trace: Any) -> None:
            without_ours(error)
            hook(kind, error, trace if error is None else error.__traceback__)
            if not issubclass(kind, KeyboardInterrupt):
                self.unusable(error)

        return excepthook

    def tell_counts(self, connection: Any) -> None:
        """Make a PostgreSQL session that stays open tell what it has counted, which it may keep to itself for seconds.
        ``connection`` is the driver's own (psycopg2's, asyncpg's adapted one), in no transaction."""
        try:
            autocommit = connection.autocommit
            connection.autocommit = True
            try:
                cursor = connection.cursor()
                cursor.execute(TELL_COUNTS)
                cursor.close()
            finally:
                connection.autocommit = autocommit
        except Exception:  # an older server or another driver; the gate waits for its counters, as it must without this
            return

    def ask(self, **message: Any) -> Dict[str, Any]:
        """Send a message and wait for the answer."""
        self.take()
        flush()
        line = json.dumps(message).encode("utf-8") + b"\n"
        try:
            while line:
                line = line[write(self.number, line) :]
            while b"\n" not in self.received:
                chunk = read(self.number, 65536)
                if not chunk:
                    os._exit(70)
                self.received += chunk
        except OSError:
            os._exit(70)
        line, _, self.received = self.received.partition(b"\n")
        answer: Dict[str, Any] = json.loads(line.decode("utf-8"))
        if answer.get("go") is False:
            flush()
            os._exit(0)
        return answer

    def take(self) -> None:
        """From now on it is this program's alone: what the migrations start does not get it."""
        if not self.taken:
            self.taken = True
            os.environ.pop("THCORE_CHANNEL", None)
            os.set_inheritable(self.number, False)  # noqa: FBT003 - takes no keywords


class Chain:
    """A chain that runs. ``run`` holds the versions of the steps to run: the first of those that were told, or none."""

    def __init__(self, channel: Channel, number: int, run: List[str]) -> None:
        self.channel = channel
        self.number = number
        self.run = run
        self.running = ""
        """The step that was started last."""
        self.left = 0
        """How many statements it has before it is to wait."""

    def before(self, version: str) -> None:
        """Wait until the step may start."""
        answer = self.channel.ask(event="before", chain=self.number, step=version)
        self.running, self.left = version, int(answer.get("pause", 0))
        self.channel.paused = self if self.left else None
        for instrument in self.channel.instruments:
            instrument.begin()

    def after(
        self,
        version: str,
        error: Optional[BaseException] = None,
        path: Optional[str] = None,
        place: Tuple[Optional[int], Optional[str]] = (None, None),
        statement: str = "",
    ) -> None:
        """Tell that the step has ended and is committed, or the exception that it failed with; wait until the program
        may go on. ``path`` is the step's file, ``place`` line and text in it, for what fails outside of its code;
        ``statement`` what failed, where the exception does not know it."""
        self.channel.paused = None
        for instrument in self.channel.instruments:
            instrument.end(error is not None)
        failure = None if error is None else described(error, path, statement)
        if failure is not None and failure["line"] is None:
            failure["line"], failure["source"] = place
        self.channel.ask(event="after", chain=self.number, step=version, ok=error is None, error=failure)
        for instrument in self.channel.instruments:
            instrument.rest()


def changes(statement: str) -> bool:
    """Whether a statement may change anything in the database."""
    return _LOOKING.match(statement) is None


def described(error: BaseException, path: Optional[str] = None, statement: str = "") -> Dict[str, Any]:
    """An exception as data: its class, the server's own words, the statement, the line in the migration, and all."""
    told = getattr(error, "inner_exception", None) or error  # oslo.db wraps what SQLAlchemy raises
    original = getattr(told, "orig", None)
    said: Any = original if isinstance(original, BaseException) else error
    text = str(said)
    if len(said.args) == 2 and isinstance(said.args[0], int):  # PyMySQL and mysqlclient: number, text
        text = "({}) {}".format(*said.args)
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
    statement = str(getattr(told, "statement", None) or statement)
    line, source = position(error, path, statement) if path else (None, None)
    return {
        "type": type(said).__name__,
        "bases": [cls.__module__ + "." + cls.__name__ for cls in type(error).__mro__],
        "message": text[:LONGEST],
        "state": state if isinstance(state, str) else None,
        "statement": statement[:LONGEST],
        "file": os.path.basename(path) if path else None,
        "line": line,
        "source": source,
        "traceback": bounded(traceback.format_exception(type(error), error, error.__traceback__)),
    }


def position(error: BaseException, path: str, statement: str) -> Tuple[Optional[int], Optional[str]]:
    """Line and text in the file ``path``: of its own code that was running, else where the statement stands in it."""
    running = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.abspath(frame.filename) == os.path.abspath(path)
    ]
    if running:
        return running[-1].lineno, running[-1].line
    words = re.findall(r"\w+|[^\w\s]", statement[:LONGEST])
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
        place = re.search(r"\s*".join(map(re.escape, words)), text) if words else None
        if place is not None:
            line = text.count("\n", 0, place.start())
            return line + 1, text.splitlines()[line].strip()
    return None, None


def flush() -> None:
    """What the step printed is in the log before the next one starts. A step may have closed the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
