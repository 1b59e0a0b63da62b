"""How much a private PostgreSQL server notes of what it runs.

A statement of a loop may take a few hundredths of a millisecond, and to note it in the log costs a quarter of that. So
each one is noted until there are many in a step. From then on those that are quick are not, where the server counts
them; and a step that fills the log all the same is not to fill the disk.

The settings that change meanwhile stand in a file of ours, which the server reads again when it is told to. It is not
with the data: nothing is written there before a server runs on it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import define, evolve, field, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.engines.accounts import give
from thplugins_dbmigration.engines.engine import Installation
from thplugins_dbmigration.engines.private import pause

FILE = "settings.conf"
"""What it is called. It has the settings of the data directory in it as well."""
MANY = 128 * 1024
"""How many bytes of log a step may make before its quick statements are not noted any more."""
MOST = 128 * 1024 * 1024
"""How many it may make at all."""
QUICK_MS = 10
"""A statement that is over sooner is quick."""
LOOK_S = 0.05
"""How often the log's size is looked at."""
PATIENCE_S = 30.0
"""How long the server may take to read its settings."""

# When a statement begins, and how long it took: one that fails only has a beginning.
EACH: Mapping[str, str] = {"log_statement": "all", "log_min_duration_statement": "0"}
"""What the server is told as long as it notes all."""
NOTHING: Mapping[str, str] = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_messages": "panic",
}
"""What it is told when the step has made all the log that it may."""


def _slow(*, counts: bool) -> Mapping[str, str]:
    """What it is told when there are many: changes of the schema have a beginning, others a line when they have ended;
    where the server ``counts`` them, not those that are quick."""
    return {"log_statement": "ddl", "log_min_duration_statement": str(QUICK_MS if counts else 0)}


@frozen
class Extent:
    """How much is noted of the step: since when quick statements are not noted with their beginnings, and since when
    nothing is; in seconds since the epoch, None where it has not come to that."""

    brief: float | None = None
    over: float | None = None


WHOLE = Extent()
"""All of it."""


@define
class Noting:
    """What the server on a data ``directory`` notes in its ``log``, and whether it ``counts`` statements as well. Make
    one before the server starts; the file with its settings is in ``place``."""

    installation: Installation
    directory: Path
    place: Path
    log: Path
    counts: bool
    extent: Extent = WHOLE
    _since: int = 0
    """How long the log was when the step began."""
    _lock: threading.Lock = field(factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        self._write(EACH)

    def begin(self, reread: Callable[[], None], loaded: Callable[[], object]) -> None:
        """A step comes: note all of it. ``reread`` tells the server to read its settings, ``loaded`` answers when it
        did. Raises InfrastructureError when it does not."""
        with self._lock:
            self._since = self.log.stat().st_size
            whole, self.extent = self.extent == WHOLE, WHOLE
            if whole:
                return
            self._write(EACH)
        before = loaded()
        reread()
        deadline = time.monotonic() + PATIENCE_S
        while loaded() == before:  # our session is the oldest, and is told last
            if time.monotonic() > deadline:
                raise InfrastructureError("postgresql does not read its settings", code="server-not-answering")
            pause(0.002)

    @contextlib.contextmanager
    def watched(self, reread: Callable[[], None]) -> Iterator[None]:
        """Have a thread look at the log, and note less when it grows."""
        over = threading.Event()

        def look() -> None:
            while not over.wait(LOOK_S):
                with contextlib.suppress(OSError):
                    self._look(reread)

        thread = threading.Thread(target=look, name="noting", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, reread: Callable[[], None]) -> None:
        with self._lock:
            made = self.log.stat().st_size - self._since
            if made > MOST and self.extent.over is None:
                self.extent = Extent(self.extent.brief or time.time(), time.time())
                self._write(NOTHING)
            elif made > MANY and self.extent.brief is None:
                self.extent = evolve(self.extent, brief=time.time())
                self._write(_slow(counts=self.counts))
            else:
                return
        reread()

    @property
    def file(self) -> Path:
        """The server's configuration file."""
        return self.place / FILE

    def _write(self, settings: Mapping[str, str]) -> None:
        draft = self.place / f"{FILE}.draft"
        draft.touch(0o600)
        give(self.installation, draft)
        lines = (f"include {_quoted(str(self.directory / 'postgresql.conf'))}", *map(_setting, settings.items()))
        draft.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        draft.replace(self.file)


def _setting(pair: tuple[str, str]) -> str:
    name, value = pair
    return f"{name} = {_quoted(value)}"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''").replace("\\", "\\\\")
    return f"'{doubled}'"
