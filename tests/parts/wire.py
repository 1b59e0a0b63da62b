"""A TCP line between a worker and its server that can be cut, fall silent and come back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

from attrs import define, field

CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST instead of FIN


class Wire:
    """Listens on ``port`` of this machine and passes all on to ``target_port``, both ways, until it is disturbed.

    Every method may be called from any thread and has taken effect when it returns.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._silent = False
        self._lines: set[_Line] = set()
        self._held = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def lines(self) -> int:
        """How many connections go through it."""
        return len(self._lines)

    def cut(self) -> None:
        """End every connection with a reset on both sides. New ones are taken at once."""
        self._do(lambda: self._reset(client=True, server=True))

    def hang(self) -> None:
        """Stop forwarding. Neither side is told: what is sent is taken and kept, a close as well."""
        self._do(self._fall_silent)

    def desert(self) -> None:
        """As ``hang``, but the server has given up its side: only the client believes that the connections stand."""

        def desert() -> None:
            self._fall_silent()
            self._reset(client=False, server=True)

        self._do(desert)

    def heal(self) -> None:
        """Forward again, first what was kept. Connections that the server has given up are reset."""

        def heal() -> None:
            self._silent = False
            for line in list(self._lines):
                if line.deserted:
                    line.reset(client=True, server=True)
                line.flow.set()

        self._do(heal)

    def wait_held(self, timeout: float) -> bool:
        """Wait until the client has sent something that is kept back. Returns whether it has."""
        return self._held.wait(timeout)

    def __enter__(self) -> Self:
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._carry, "127.0.0.1", 0, limit=CHUNK), self._loop
        ).result(10)
        self.port = server.sockets[0].getsockname()[1]
        self._server = server
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.close()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._reset(client=True, server=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, act: Callable[[], None]) -> None:
        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    def _fall_silent(self) -> None:
        self._silent = True
        self._held.clear()
        for line in self._lines:
            line.flow.clear()

    def _reset(self, *, client: bool, server: bool) -> None:
        for line in list(self._lines):
            line.reset(client=client, server=server)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(writer)
        if not self._silent:
            line.flow.set()
        self._lines.add(line)
        try:
            await line.flow.wait()
            upstream, line.server = await asyncio.open_connection("127.0.0.1", self.target_port)
            await asyncio.gather(
                self._pump(line, reader, line.server, told=self._held), self._pump(line, upstream, line.client)
            )
        except OSError:
            line.reset(client=True, server=True)
        finally:
            self._lines.discard(line)
            for end in (line.client, line.server):
                if end is not None:
                    end.close()

    async def _pump(
        self,
        line: _Line,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        told: threading.Event | None = None,
    ) -> None:
        while True:
            chunk = await self._read(line, reader)
            if told is not None and chunk and not line.flow.is_set():
                told.set()
            await line.flow.wait()
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def _read(self, line: _Line, reader: asyncio.StreamReader) -> bytes:
        try:
            return await reader.read(CHUNK)
        except OSError:
            if not line.deserted:
                raise
            return b""  # our own reset of the server's side: the client is not to hear of it


@define(eq=False)
class _Line:
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    deserted: bool = False
    flow: asyncio.Event = field(factory=asyncio.Event)

    def reset(self, *, client: bool, server: bool) -> None:
        self.deserted = server and not client
        for end in (self.client if client else None, self.server if server else None):
            transport: Any = end and end.transport
            if transport is not None and not transport.is_closing():
                with contextlib.suppress(OSError):
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
