"""A Gearman server inside this process, for trying thcore out. Not for production: it keeps nothing on disk."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any, Self

import gear

from thcore.errors import InfrastructureError

log = logging.getLogger(__name__)

_CLOSE_TIMEOUT_S = 5.0


class _Server(gear.Server):  # type: ignore[misc]  # gear ships no types
    def _registerConnection(self, conn: Any) -> None:  # noqa: N802 -- gear's name
        # Called for every accepted connection. Without it each exchange takes 40 ms.
        conn.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super()._registerConnection(conn)

    def _cleanup(self) -> None:
        super()._cleanup()
        self.poll.close()


class EmbeddedServer:
    """Serves Gearman on 127.0.0.1 from entering to leaving the ``with``; ``port`` 0 takes a free one.

    Raises InfrastructureError (code ``gearman-unreachable``) when the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted = port
        self._server: _Server | None = None

    @property
    def port(self) -> int:
        """The TCP port; 0 while it does not serve."""
        return 0 if self._server is None else int(self._server.port)

    @property
    def address(self) -> str:
        """``127.0.0.1:port``, as ``Link`` and ``Submission`` take it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to serve."""
        try:
            self._server = _Server(self._wanted, host="127.0.0.1")
        except Exception as error:  # gear raises nothing more special
            raise InfrastructureError(
                f"no Gearman server can be started on 127.0.0.1:{self._wanted}: {error}; is the port in use?",
                code="gearman-unreachable",
            ) from error

    def stop(self) -> None:
        """Close all connections. A second call does nothing."""
        server, self._server = self._server, None
        if server is None:
            return
        closer = threading.Thread(target=server.shutdown, name="Gearman server close", daemon=True)
        closer.start()
        closer.join(_CLOSE_TIMEOUT_S)
        if closer.is_alive():
            log.warning("the embedded Gearman server does not close; it is left behind")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
