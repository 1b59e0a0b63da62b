"""Telling running work to end."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Self

from thcore.errors import CancelledError, DeadlineError

DEADLINE_PASSED = "the time limit of the job has passed"


class Interrupt:
    """Tells running work to end: by a cancel, or by a deadline.

    ``deadline`` is a value of ``time.monotonic()``; None means no limit. An interrupt fires once and stays fired.
    """

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline
        self._reasons: list[str] = []
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # Re-entrant: a signal handler may cancel while the interrupted code is in here.
        self._lock = threading.RLock()

    def cancel(self, reason: str) -> None:
        """Tell the work to end. May be called from any thread and from a signal handler; the first reason wins."""
        with self._lock:
            self._reasons.append(reason)
            if self._event >= 0:
                os.eventfd_write(self._event, 1)

    @property
    def cancelled(self) -> str | None:
        """Why the work was cancelled, or None."""
        return self._reasons[0] if self._reasons else None

    def remaining_s(self) -> float | None:
        """Seconds until the deadline, never below 0; None without a deadline."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise CancelledError or DeadlineError when the work was told to end."""
        if self._reasons:
            raise CancelledError(self._reasons[0])
        if self.remaining_s() == 0.0:
            raise DeadlineError(DEADLINE_PASSED)

    def fileno(self) -> int:
        """A descriptor that becomes readable, and stays so, when the work is cancelled. The deadline does not show."""
        return self._event

    def close(self) -> None:
        """Give the descriptor back. ``cancel`` may still be called."""
        with self._lock:
            event, self._event = self._event, -1
            if event >= 0:
                os.close(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
