"""What the worker tells its history. No build waits for the database, which may be away as long as it likes."""

from __future__ import annotations

import logging
import pickle
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from thcore.config.schema import Config
from thcore.errors import InfrastructureError
from thcore.model import Answered, Outcome
from thcore.monitoring.action import event
from thcore.worker.pending import Pending, Waiting

if TYPE_CHECKING:
    from thcore.history.store import History

log = logging.getLogger(__name__)

DIRECTORY = "history-pending"
"""Where outcomes wait, below ``directories.state``."""
UPGRADE = ("-m", "thcore.history.upgrade")
"""Arguments of the interpreter that brings a database up to date."""
_FORGET_EVERY_S = 3600.0


class Chronicle:
    """Writes outcomes into the history, in order, in a thread of its own.

    They wait in files: neither a database that is away nor the death of the worker loses one, the next start goes on
    with them. ``retry_s`` is the first and the longest pause between two tries of a database that is away, in seconds.
    Raises InfrastructureError when the state directory cannot be used.
    """

    def __init__(self, config: Config, *, retry_s: tuple[float, float] = (1.0, 60.0)) -> None:
        self.trouble: str | None = None
        """Why the history cannot be written at the moment, in words."""
        self._config = config
        self._retry_s = retry_s
        self._pending = Pending(config.directories.state / DIRECTORY)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._deadline: float | None = None
        self._history: History | None = None
        self._upgrade: subprocess.Popen[bytes] | None = None
        self._forget_at = 0.0
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)

    def start(self) -> None:
        """Open the history, or make it, and begin with what an earlier worker left. Returns at once."""
        self._thread.start()

    def record(self, outcome: Outcome, *, answered: Answered) -> None:
        """Have an outcome remembered. Any thread; returns at once."""
        self._pending.add(outcome, answered)
        self._wake.set()

    def keep(self, outcome: Outcome) -> Waiting:
        """Keep an outcome while Zuul is being answered. Should the worker die meanwhile, the next start has it
        remembered, as one of which nobody knows whether it was answered. Any thread; returns at once."""
        return self._pending.add(outcome, Answered.UNKNOWN, settled=False)

    def settle(self, waiting: Waiting, answered: Answered) -> None:
        """Have a kept outcome remembered. Any thread; returns at once."""
        self._pending.settle(waiting, answered)
        self._wake.set()

    def waiting(self) -> int:
        """How many outcomes the history does not have yet."""
        return len(self._pending)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, for some seconds at most. The next start writes the rest."""
        self._deadline = time.monotonic() + timeout_s
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        if (process := self._upgrade) is not None:
            process.terminate()  # the database stays as it was
        if left := self.waiting():
            log.warning("%d outcomes wait in %s for the next start", left, DIRECTORY, extra=event("history_waits"))

    def _work(self) -> None:
        first_s, longest_s = self._retry_s
        pause_s = first_s
        while True:
            self._wake.clear()
            last = self._closing.is_set()
            written = not self._late() and self._try()
            if last:
                break
            if written:
                pause_s = first_s
                self._wake.wait(max(0.0, self._forget_at - time.monotonic()))
            else:
                # Workers that lost the same database should not all come back at the same moment.
                self._closing.wait(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                pause_s = min(pause_s * 2, longest_s)
        self._let_go()

    def _try(self) -> bool:
        """Bring the history up to now. False: not now; what went wrong is told once."""
        try:
            self._write()
        except Exception as error:  # the thread goes on, whatever happens to one try
            self._let_go()
            expected = isinstance(error, (InfrastructureError, OSError))
            if self.trouble != str(error):
                self.trouble = str(error)
                told = f"{error} ({self.waiting()} outcomes wait; trying again)"
                log.warning("%s", told, exc_info=not expected, extra=event("history_failed"))
            return False
        if self.trouble is not None:
            log.info("it can be written again", extra=event("history_back"))
            self.trouble = None
        return True

    def _write(self) -> None:
        if self._history is None:
            self._history = self._open()
        for waiting in self._pending:
            if self._late():
                return
            try:
                self._history.record(waiting.outcome, answered=waiting.answered)
            except ValueError as error:
                self._pending.refuse(waiting, error)
            else:
                self._pending.done(waiting)
                told = event("history_written", build=waiting.outcome.build, attempt=waiting.outcome.attempt)
                log.debug("build %s attempt %s is recorded", waiting.outcome.build, waiting.outcome.attempt, extra=told)
        if time.monotonic() >= self._forget_at:
            limits = self._config.history
            forgotten = self._history.forget(older_than_s=limits.keep, maximum=limits.maximum)
            if forgotten:
                log.info("%d old attempts are forgotten", forgotten, extra=event("history_pruned"))
            self._forget_at = time.monotonic() + _FORGET_EVERY_S

    def _open(self) -> History:
        # SQLAlchemy takes a while to load, for which nobody has to wait here.
        from thcore.history.database import address
        from thcore.history.revision import Standing, standing_of
        from thcore.history.store import History

        url = address(self._config)
        if standing_of(url) is not Standing.CURRENT and not self._late():
            self._bring_up_to_date(url)
        return History.open(url)

    def _bring_up_to_date(self, url: Any) -> None:
        """Run the migrations, in a process: Alembic would stay in the worker's memory for good."""
        argv = [sys.executable, *UPGRADE]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
            self._upgrade = process
            try:
                _, said = process.communicate(pickle.dumps(url))
            finally:
                self._upgrade = None
        if process.returncode != 0:
            words = said.decode("utf-8", "replace").strip() or f"the upgrade ended with status {process.returncode}"
            raise InfrastructureError(words.splitlines()[-1], code="history-unavailable")
        log.info("the database was brought up to date", extra=event("history_upgraded"))

    def _late(self) -> bool:
        """Whether the worker waits no more: it is about to exit."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _let_go(self) -> None:
        if self._history is not None:
            self._history.close()
            self._history = None
