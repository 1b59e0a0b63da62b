"""The Unix socket below the state directory: where a worker answers ``thcore status``, and how it is asked.

Its path may be longer than the 107 bytes that a socket's address can hold: it is named below an open directory.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import pwd
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.monitoring import status
from thcore.monitoring.status import Status

NAME = "status.sock"
PATIENCE_S = 5.0
_CREDENTIALS = struct.Struct("3i")
"""Of the process at the other end of a socket: its number, its user, its group."""


def listen(state: Path) -> socket.socket:
    """A socket that only this user can connect to. One that a dead worker left is replaced.

    Raises InfrastructureError when a living worker has it, or when it cannot be made.
    """
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(door.fileno(), stat.S_IRUSR | stat.S_IWUSR)  # before it has a name, so that nobody is quicker
        with _address(state) as address:
            if _answers(address):
                raise InfrastructureError(f"another worker answers at {state / NAME}; give this one a state of its own")
            with contextlib.suppress(FileNotFoundError):
                Path(address).unlink()
            door.bind(address)
    except OSError as error:
        door.close()
        raise InfrastructureError(f"cannot make the socket {state / NAME}: {error.strerror or error}") from error
    except BaseException:
        door.close()
        raise
    return door


def remove(state: Path) -> None:
    """Take the socket away; only its own worker does."""
    with contextlib.suppress(OSError):
        (state / NAME).unlink(missing_ok=True)


def ask(state: Path, *, timeout_s: float = PATIENCE_S) -> Status:
    """The status of the worker that uses the state directory.

    Raises InfrastructureError, with the reason in words, when there is none or it may not be asked.
    """
    try:
        return status.from_json(_fetch(state, "/status.json", timeout_s))
    except (OSError, http.client.HTTPException) as error:
        raise InfrastructureError(_no_answer(state, error)) from error
    except ValueError as error:
        raise InfrastructureError(
            f"the worker at {state / NAME} gives an answer that cannot be read: {error}"
        ) from error


def process(state: Path) -> int:
    """The process of the worker that answers there, as the kernel knows it.

    Raises InfrastructureError when there is none that can be sent a signal from here.
    """
    try:
        with _address(state) as address, _caller(PATIENCE_S) as caller:
            caller.connect(address)
            credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError as error:
        raise InfrastructureError(_no_answer(state, error)) from error
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    if pid <= 0:
        raise InfrastructureError(f"the worker at {state / NAME} runs in another container; send it SIGHUP there")
    return pid


def _caller(timeout_s: float) -> socket.socket:
    caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    caller.settimeout(timeout_s)
    return caller


def _fetch(state: Path, path: str, timeout_s: float) -> bytes:
    connection = http.client.HTTPConnection("localhost", timeout=timeout_s)
    try:
        with _address(state) as address:
            connection.sock = _caller(timeout_s)
            connection.sock.connect(address)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(body.decode("utf-8", "replace").strip() or response.reason)
        return body
    finally:
        connection.close()


@contextmanager
def _address(state: Path) -> Iterator[str]:
    """A short name of the socket, good for as long as the directory is held open."""
    directory = os.open(state, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{NAME}"
    finally:
        os.close(directory)


def _answers(address: str) -> bool:
    with _caller(PATIENCE_S) as caller:
        try:
            caller.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True


def _no_answer(state: Path, error: Exception) -> str:
    door = state / NAME
    if isinstance(error, FileNotFoundError):
        return f"no worker answers: there is no {door}; is it running, and is directories.state right?"
    if isinstance(error, ConnectionRefusedError):
        return f"no worker answers at {door}: the one that made it has died; start it again"
    if isinstance(error, PermissionError):
        return f"the worker at {door} answers its own user only; ask as {_owner(state)}, or as root"
    if isinstance(error, TimeoutError):
        return f"the worker at {door} does not answer in time; look at its log"
    if isinstance(error, OSError) and error.errno in {errno.ENOTDIR, errno.ENOTSOCK}:
        return f"no worker answers: {state} is no state directory of a worker; is directories.state right?"
    return f"the worker at {door} cannot be asked: {error}"


def _owner(state: Path) -> str:
    """Whose worker it is, as far as one may know."""
    for path in (state / NAME, state):
        with contextlib.suppress(OSError, KeyError):
            return f"{pwd.getpwuid(path.stat().st_uid).pw_name}"
    return "that user"
