"""A relay between a worker and its Gearman server that notes when which packet passes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Self

from attrs import frozen

HEADER = struct.Struct(">4sII")
CHUNK = 65536


@frozen
class Passage:
    """One packet: its type (see ``gear.constants``), its content, and when it passed (``time.monotonic``)."""

    kind: int
    data: bytes
    at: float

    @property
    def handle(self) -> bytes:
        """The job that it is about."""
        return self.data.partition(b"\0")[0]


class Recorder:
    """Listens on ``port`` while entered, and connects to the server at ``server_port`` for whoever comes.

    Neither side waits for it: a packet is noted, then passed on at once, and its own sockets delay nothing.
    """

    def __init__(self, server_port: int) -> None:
        self.passages: list[Passage] = []
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ends: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._listener, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                worker, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for end in (worker, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._ends.append(end)
                for source, target in ((worker, server), (server, worker)):
                    threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                at = time.monotonic()
                buffer += chunk
                while len(buffer) >= HEADER.size:
                    _, kind, length = HEADER.unpack_from(buffer)
                    end = HEADER.size + length
                    if len(buffer) < end:
                        break
                    self.passages.append(Passage(kind, buffer[HEADER.size : end], at))
                    buffer = buffer[end:]
                # Whoever hears of a packet must find its note.
                target.sendall(chunk)
