"""A TCP connection that can go wrong: a proxy on a free port of this machine, in front of a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Self

from attrs import define, field

CHUNK = 65536
TIMEOUT_S = 10.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds


@define(eq=False)
class _Pair:
    """The two ends of one connection, and the task that looks after them."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    half: bool = False
    forgotten: asyncio.Event = field(factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(factory=list)


class Wire:
    """Passes bytes on to ``target_port`` from entering to leaving the ``with``, unless it is told otherwise.

    It accepts connections in any state: silent ones while it hangs, ones that are reset while nobody listens there.
    Call its methods from any thread.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self._delay_s = 0.0
        self._pairs: set[_Pair] = set()
        self._clients: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._ready = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are passed on at the moment."""
        return sum(not pair.half for pair in self._pairs)

    def cut(self) -> None:
        """Reset every connection, towards both ends, half open ones as well. New ones are passed on."""
        self._do(self._cut)

    def half_open(self) -> None:
        """Reset every connection towards the server; the other end is told nothing. New ones are passed on."""
        self._do(self._half_open)

    def hang(self) -> None:
        """Pass nothing on any more, neither bytes nor ends of connections, until ``heal``."""
        self._do(self._flowing.clear)

    def delay(self, seconds: float) -> None:
        """Hold every piece of data back for so long, in both directions."""
        self._delay_s = seconds

    def say(self, data: bytes) -> None:
        """Send bytes of our own to the server, over every connection."""
        self._do(lambda: [pair.server.write(data) for pair in self._pairs])

    def heal(self) -> None:
        """Pass everything on again without delay, also what has been held back."""
        self._delay_s = 0.0
        self._do(self._flowing.set)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(TIMEOUT_S)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()

    def _do(self, action: Callable[[], object]) -> None:
        """Do it in the wire's thread, and wait until it is done."""

        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._loop).result(TIMEOUT_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._flowing, self._closing = asyncio.Event(), asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._closing.wait()
        server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await asyncio.sleep(0)  # asyncio closes the sockets of aborted connections in its next round

    def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, client))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _join(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Connect a new client to the server, as soon as the wire is whole, and see it to its end."""
        try:
            await self._flowing.wait()
            with contextlib.suppress(OSError):
                server_reader, server = await asyncio.open_connection("127.0.0.1", self.target_port)
                await self._see_through(_Pair(client, server), reader, server_reader)
        finally:
            _reset(client)

    async def _see_through(
        self, pair: _Pair, reader: asyncio.StreamReader, server_reader: asyncio.StreamReader
    ) -> None:
        pair.tasks = [
            asyncio.create_task(self._pass(pair, reader, pair.server)),
            asyncio.create_task(self._pass(pair, server_reader, pair.client)),
        ]
        self._pairs.add(pair)
        try:
            await asyncio.wait(pair.tasks)
            if pair.half:
                await pair.forgotten.wait()
        finally:
            self._pairs.discard(pair)
            _stop(pair)
            _reset(pair.server)

    async def _pass(self, pair: _Pair, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK):
                await asyncio.sleep(self._delay_s)
                await self._flowing.wait()
                target.write(data)
                await target.drain()
            await self._flowing.wait()
            target.write_eof()
        except OSError:
            # One end is gone in disorder; so is the other then.
            await self._flowing.wait()
            for end in (pair.client, pair.server):
                _reset(end)

    def _cut(self) -> None:
        for pair in self._pairs:
            pair.forgotten.set()
            _stop(pair)

    def _half_open(self) -> None:
        for pair in self._pairs:
            pair.half = True
            _stop(pair)
            _reset(pair.server)


def _stop(pair: _Pair) -> None:
    for task in pair.tasks:
        task.cancel()


def _reset(end: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.transport.abort()
