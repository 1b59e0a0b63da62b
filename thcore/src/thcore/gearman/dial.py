"""Calling a Gearman server: name resolution, TCP and TLS, each with an end."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.gearman.address import Address, TlsFiles

CONNECT_TIMEOUT_S = 10.0
"""For each address of a server, and again for each answer of its TLS handshake."""
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 20
KEEPALIVE_COUNT = 3
SILENCE_S = 60.0
"""How long a server may leave us without an answer before it is given up."""


class UnreachableError(InfrastructureError):
    """A server that does not answer, or not as it should. ``reason`` is the part of the text that says why."""

    def __init__(self, server: object, reason: object) -> None:
        self.reason = str(reason)
        super().__init__(
            f"the Gearman server {server} cannot be reached: {reason}; is it running, and is gearman.servers right?",
            code="gearman-unreachable",
        )


@frozen
class Dial:
    """How to call one server. With ``tls`` not a byte leaves in plain text, and the server must prove its name.

    A connection with bytes that the server has not acknowledged for ``silence_s`` is broken off by the kernel.
    """

    address: Address
    tls: TlsFiles | None = None
    silence_s: float = SILENCE_S
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    newest_tls: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED

    def open(self, hold: Callable[[socket.socket], None] = lambda _socket: None) -> socket.socket:
        """Connect. ``hold`` is given every socket before it is used, so that another thread can ``hang_up`` on it.

        The socket has a time limit for each operation, ``silence_s``. Raises UnreachableError (code
        ``gearman-unreachable``) with the reason in words, ConfigError when the files of ``tls`` are of no use.
        """
        context = self.tls.context() if self.tls else None
        try:
            places = socket.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(self.address, f"its name cannot be resolved: {_words(error)}") from error
        reasons = {}
        for family, kind, protocol, _, place in places:
            try:
                return self._open(socket.socket(family, kind, protocol), place, context, hold)
            except OSError as error:
                reasons[_reason(error)] = place
        raise UnreachableError(self.address, "; ".join(reasons))

    def _open(
        self, plain: socket.socket, place: object, context: ssl.SSLContext | None, hold: Callable[[socket.socket], None]
    ) -> socket.socket:
        opened = plain
        try:
            hold(plain)
            for level, option, value in self._options():
                plain.setsockopt(level, option, value)
            plain.settimeout(self.connect_timeout_s)
            plain.connect(place)  # type: ignore[arg-type]  # getaddrinfo made it for this family
            if context is not None:
                context.maximum_version = self.newest_tls
                opened = context.wrap_socket(plain, server_hostname=self.address.host, do_handshake_on_connect=False)
                hold(opened)
                opened.do_handshake()
            opened.settimeout(self.silence_s)
        except BaseException:
            opened.close()
            raise
        return opened

    def _options(self) -> tuple[tuple[int, int, int], ...]:
        return (
            # Without it COMPLETE and the next GRAB_JOB, two small writes in a row, cost 40 ms (Nagle, delayed ACK).
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S),
            (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT),
            (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self.silence_s * 1000)),
        )


def hang_up(connection: socket.socket) -> None:
    """End whatever other threads do on a connection, the connect included. It is still to be closed."""
    # Not the method of an SSL socket: that would go on in plain text.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it: {_words(error)}"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return _words(error)


def _words(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())
