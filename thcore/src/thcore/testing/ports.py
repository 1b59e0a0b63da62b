"""TCP ports for servers of tests."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

__all__ = ["free_port", "free_ports"]

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 10240
"""Servers that a machine has anyway mostly listen below."""
_USUAL = 32768
"""Where the ports begin that Linux hands out, unless it is told otherwise."""
_CHOICE = random.SystemRandom()  # another one in each of the processes that run tests side by side


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at the moment."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int) -> tuple[int, ...]:
    """Several of them, each another one.

    They are none of those that the system hands out to whoever asks for any: a server of a test that is killed and
    started again finds its port as it left it.
    """
    ports: dict[int, None] = {}
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            with contextlib.suppress(OSError):  # somebody listens there
                server = held.enter_context(socket.create_server(("127.0.0.1", _candidate())))
                ports[int(server.getsockname()[1])] = None
    return tuple(ports)


def _candidate() -> int:
    """A port that may be free; 0, for any, where the system hands out all of them."""
    end = _handed_out()
    return _CHOICE.randrange(_FIRST, end) if end > _FIRST + 1000 else 0


def _handed_out() -> int:
    """The first port that the system hands out itself."""
    try:
        return int(_RANGE.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL
