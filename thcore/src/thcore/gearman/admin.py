"""Questions to a Gearman server in its text protocol: which functions are offered, how many jobs wait."""

from __future__ import annotations

import socket

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.gearman.address import parse_address

_ANSWER_LIMIT = 16 * 1024 * 1024


@frozen
class FunctionStatus:
    """One function as the server counts it: ``jobs`` waiting and running, of those ``running``, and ``workers`` that
    offer it now."""

    function: str
    jobs: int
    running: int
    workers: int


def status(server: str, *, timeout_s: float = 5.0) -> tuple[FunctionStatus, ...]:
    """All functions that the server (``host:port``) has heard of, plain text only.

    Raises InfrastructureError (code ``gearman-unreachable``) when it does not answer, ConfigError for no address.
    """
    found = []
    for line in _ask(server, "status", timeout_s):
        parts = line.split("\t")
        if len(parts) == 4 and all(part.isdigit() for part in parts[1:]):
            found.append(FunctionStatus(parts[0], *(int(part) for part in parts[1:])))
    return tuple(found)


def unreachable(server: str, reason: object) -> InfrastructureError:
    """The error for a server that does not answer."""
    return InfrastructureError(
        f"the Gearman server {server} cannot be reached: {reason}; is it running, and is gearman.servers right?",
        code="gearman-unreachable",
    )


def _ask(server: str, command: str, timeout_s: float) -> list[str]:
    address = parse_address(server)
    answer = b""
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s) as connection:
            connection.sendall(f"{command}\n".encode())
            while not (b"\n" + answer[-4:]).endswith(b"\n.\n"):
                part = connection.recv(65536)
                if not part or len(answer) > _ANSWER_LIMIT:
                    raise unreachable(server, "it does not answer as a Gearman server does")
                answer += part
    except OSError as error:
        raise unreachable(server, error) from error
    return answer.decode("utf-8", "replace").splitlines()[:-1]
