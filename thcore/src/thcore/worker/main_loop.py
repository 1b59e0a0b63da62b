"""The worker's main loop: it waits for requests, and shows at every turn that it does not stand still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from attrs import field, frozen

from thcore.monitoring.notify import Notifier
from thcore.monitoring.pulse import Pulse
from thcore.worker.signals import Request, Signals

TURN_S = 5.0
"""How often it comes round when nobody asks for anything."""


@frozen(eq=False)
class MainLoop:
    """Beats for the probes and for systemd's watchdog. For the main thread."""

    signals: Signals
    notifier: Notifier
    pulse: Pulse = field(factory=Pulse)

    def next_request(self, horizon: float) -> Request | None:
        """The next request; None when there is none up to then (``time.monotonic()``)."""
        while (left_s := min(self._beat(), horizon - time.monotonic())) > 0:
            if (request := self.signals.wait(left_s)) is not None:
                return request
        return None

    def do(self, work: Callable[[], None]) -> None:
        """Do something that takes a while, in another thread, and wait for it."""
        thread = threading.Thread(target=work, name="main loop's work", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(self._beat())

    def _beat(self) -> float:
        """Answers after how many seconds the next beat is due."""
        self.pulse.beat()
        self.notifier.beat()
        return min(TURN_S, self.notifier.beat_s or TURN_S)
