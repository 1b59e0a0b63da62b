"""Compares what the Gearman servers know of this worker with what it offers: alive is not the same as consuming."""

from __future__ import annotations

import logging
import threading

from thcore.gearman.link import Link
from thcore.monitoring.action import event

log = logging.getLogger(__name__)


class RollCall:
    """A thread that asks every server again and again, every ``every_s`` seconds."""

    def __init__(self, link: Link, *, every_s: float) -> None:
        self._link = link
        self._every_s = every_s
        self._problems: tuple[str, ...] = ()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="roll call", daemon=True)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the servers did not know when they were last asked; each begins with its server's address."""
        return self._problems

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closing.set()

    def _run(self) -> None:
        while not self._closing.wait(self._every_s):
            try:
                problems = self._link.check_registered()
            except Exception:  # it must ask again
                log.exception("asking the Gearman servers failed", extra=event("worker_faulty"))
                continue
            for problem in problems:
                if problem not in self._problems:
                    log.error("%s", problem, extra=event("link_deaf"))
            self._problems = problems
