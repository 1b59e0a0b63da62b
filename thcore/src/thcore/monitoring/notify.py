"""What systemd is told: the notification protocol of sd_notify(3), one datagram per message.

It is written out here because no library for it is both pure Python and kept up: sdnotify has had no release since 2017
and knows neither reloads nor the watchdog's interval, systemd-python and cysystemd are built against libsystemd. The
protocol is lines of text in one datagram, and stable by promise.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, MutableMapping

log = logging.getLogger(__name__)

_PATIENCE_S = 1.0
"""How long a message may wait for room in systemd's queue before it is dropped."""


class Notifier:
    """Tells systemd about this process; does nothing when systemd did not ask to be told. Never raises.

    ``address`` is a path, or a name in the abstract namespace that starts with ``@``. ``watchdog_s`` is how long
    systemd waits for a sign of life before it restarts the service. Thread-safe.
    """

    def __init__(
        self,
        address: str | None = None,
        watchdog_s: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._clock = clock
        self._last = -float("inf")

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str] = os.environ) -> Notifier:
        """The notifier that the environment asks for.

        The variables are taken out of the environment, so that no program of a build can speak for the worker. Call it
        before any other process is started.
        """
        address = environ.pop("NOTIFY_SOCKET", "")
        interval = environ.pop("WATCHDOG_USEC", "")
        watched = environ.pop("WATCHDOG_PID", "")
        ours = watched in {"", str(os.getpid())}
        watchdog_s = int(interval) / 1e6 if interval.isdecimal() and int(interval) > 0 and ours else None
        if address and address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is no Unix socket (%s); systemd is not told anything", address)
            address = ""
        return cls(address or None, watchdog_s)

    @property
    def beat_s(self) -> float | None:
        """How often ``beat`` must be called at least, in seconds; None when no watchdog waits for it."""
        return None if self._watchdog_s is None else self._watchdog_s / 2

    def ready(self, status: str = "") -> None:
        """The worker takes builds now, or has taken its new configuration; ``status`` is shown by systemctl."""
        self._send("READY=1", *_status(status))

    def status(self, status: str) -> None:
        """Have systemctl show another line."""
        self._send(*_status(status))

    def reloading(self) -> None:
        """The configuration is being read again; ``ready`` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """The worker ends."""
        self._send("STOPPING=1", *_status(status))

    def beat(self) -> None:
        """A sign of life, to be given by the main loop every ``beat_s`` or oftener; not each of them is passed on."""
        now = self._clock()
        # At a quarter: a loop that comes round a moment early must not wait for another round.
        if self._watchdog_s is not None and now - self._last >= self._watchdog_s / 4:
            self._last = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as connection:
                connection.settimeout(_PATIENCE_S)
                connection.sendto("\n".join(lines).encode("utf-8", "replace"), address)
        except OSError as error:
            log.debug("systemd cannot be told %s: %s", lines[0], error)


def _status(text: str) -> tuple[str, ...]:
    """``text`` as a line of the protocol; it can hold text of others, which must not add lines of its own."""
    line = " ".join(text.split())
    return (f"STATUS={line}",) if line else ()
