"""Questions to a Gearman server in its text protocol: which functions are offered, how many jobs wait."""

from __future__ import annotations

from attrs import frozen

from thcore.gearman.address import TlsFiles, parse_address
from thcore.gearman.dial import Dial, UnreachableError

_ANSWER_LIMIT = 16 * 1024 * 1024


@frozen
class FunctionStatus:
    """One function as the server counts it: ``jobs`` waiting and running, of those ``running``, and ``workers`` that
    offer it now."""

    function: str
    jobs: int
    running: int
    workers: int


def status(server: str, *, tls: TlsFiles | None = None, timeout_s: float = 5.0) -> tuple[FunctionStatus, ...]:
    """All functions that the server (``host:port``) has heard of.

    Raises InfrastructureError (code ``gearman-unreachable``) when it does not answer, ConfigError for no address.
    """
    found = []
    for line in _ask(server, "status", tls, timeout_s):
        parts = line.split("\t")
        if len(parts) == 4 and all(part.isdigit() for part in parts[1:]):
            found.append(FunctionStatus(parts[0], *(int(part) for part in parts[1:])))
    return tuple(found)


def _ask(server: str, command: str, tls: TlsFiles | None, timeout_s: float) -> list[str]:
    answer = b""
    try:
        with Dial(parse_address(server), tls, timeout_s, timeout_s).open() as connection:
            connection.sendall(f"{command}\n".encode())
            while not (b"\n" + answer[-4:]).endswith(b"\n.\n"):
                part = connection.recv(65536)
                if not part or len(answer) > _ANSWER_LIMIT:
                    raise UnreachableError(server, "it does not answer as a Gearman server does")
                answer += part
    except OSError as error:
        raise UnreachableError(server, error) from error
    return answer.decode("utf-8", "replace").splitlines()[:-1]
