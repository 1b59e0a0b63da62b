"""HTTP for the status: a socket, one thread that looks after its connections, and a few that answer.

waitress reads requests without holding a thread for them, so a slow client keeps nobody else waiting.
"""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from thcore.config import WebConfig
from thcore.errors import InfrastructureError
from thcore.monitoring.action import event

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

THREADS = 2
CONNECTIONS = 50
"""How many may be open at the same time; more wait until one is closed."""
IDLE_S = 10
"""How long a connection may say nothing, in seconds."""
REQUEST_BYTES = 16 * 1024
BACKLOG = 64


class Server:
    """Answers at a bound socket until it is closed. Its threads never keep the process from ending."""

    def __init__(self, application: WSGIApplication, listener: socket.socket) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # two requests at once are nothing to warn of
        self._sockets: dict[int, Any] = {}
        server = create_server(
            application,
            self._sockets,
            sockets=[listener],
            threads=THREADS,
            backlog=BACKLOG,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_S,
            cleanup_interval=IDLE_S // 2,
            max_request_header_size=REQUEST_BYTES,
            max_request_body_size=REQUEST_BYTES,
            log_socket_errors=False,
            ident="thcore",
        )
        if not isinstance(server, BaseWSGIServer):
            raise TypeError("one socket makes one server")
        self._server = server
        self._closing = False
        self._roused = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="status server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more. Requests that are being answered are cut off after a few seconds."""
        self._closing = True
        self._server.pull_trigger()
        self._roused.set()
        self._thread.join()

    def _serve(self) -> None:
        while not self._closing:
            wasyncore.loop(timeout=IDLE_S / 2, use_poll=True, map=self._sockets, count=1)
        # Something else may have ended the loop: the pipe that ``close`` writes to must still be ours.
        self._roused.wait()
        self._server.task_dispatcher.shutdown(timeout=2)
        wasyncore.close_all(self._sockets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def listen(web: WebConfig) -> socket.socket:
    """The TCP socket that ``web.listen`` asks for. Raises InfrastructureError when it cannot be had."""
    address = web.address
    if address is None:
        raise ValueError("web.listen is not set")
    host, port = address
    listener = None
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise InfrastructureError(
            f"web.listen: cannot listen at {web.listen}: {error.strerror or error}; choose another, or free it"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    log.info("the status is shown at http://%s:%d/", shown, port, extra=event("web_opened", address=f"{shown}:{port}"))
    if web.exposed:
        log.warning("web.listen: other machines can reach it; there is no password", extra=event("web_opened"))
    return listener
