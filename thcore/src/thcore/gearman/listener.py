"""Takes jobs of a set of functions from every server, under one name."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from thcore.gearman.delivery import Delivery
from thcore.gearman.desk import Desk
from thcore.gearman.dial import Dial
from thcore.gearman.line import Line
from thcore.gearman.server import Server, ServerState

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.0


class Listener:
    """A client of the servers, with the name ``name``.

    ``hand_back`` is given jobs that were assigned though nobody waits for one any more. ``on_link`` is told which
    server is connected (True) and lost (False). Both are called in a thread of the link.
    """

    def __init__(
        self,
        name: str,
        dials: Sequence[Dial],
        *,
        hand_back: Callable[[Delivery], None],
        on_link: Callable[[str, bool], None] | None = None,
    ) -> None:
        self._on_link = on_link
        self._closed = threading.Event()
        self.desk = Desk(hand_back, self._tell)
        self.servers = tuple(Server(name, dial, self.desk) for dial in dials)

    def start(self, functions: Sequence[str]) -> None:
        """Connect, and offer these functions. Once."""
        self.desk.offer(functions)
        for server in self.servers:
            server.start()

    @property
    def states(self) -> tuple[ServerState, ...]:
        """How it stands with each server."""
        return tuple(server.state for server in self.servers)

    def connected(self) -> bool:
        """At least one server is connected."""
        return bool(self.desk.lines)

    def close(self) -> None:
        """Close all connections. Every delivery that is not answered is lost. A second call does nothing."""
        self._closed.set()
        for server in self.servers:
            server.close()
        horizon = time.monotonic() + CLOSE_TIMEOUT_S
        for server in self.servers:
            if not server.join(max(0.0, horizon - time.monotonic())):
                log.warning("the connection to the Gearman server %s does not end; left behind", server.state.address)

    def _tell(self, line: Line, up: bool) -> None:
        if self._on_link is None or (self._closed.is_set() and not up):
            return
        try:
            self._on_link(str(line.address), up)
        except Exception:  # a faulty hearer must not stop the server's thread
            log.exception("a hearer of the state of the connection failed")


def ask_all(servers: Sequence[Server], timeout_s: float) -> tuple[str, ...]:
    """Ask every server that is connected which functions we offer, all at once. What is wrong, in words."""
    questions = [(server, server.ask()) for server in servers]
    horizon = time.monotonic() + timeout_s
    problems: list[str] = []
    for server, question in questions:
        if question is not None:
            question.waitForResponse(max(0.0, horizon - time.monotonic()))
            problems += server.judge(question)
    return tuple(problems)
