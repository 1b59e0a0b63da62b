"""What the worker and the child process of a build tell each other: one JSON document per message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen
from cattrs.preconf.json import make_converter

from thcore.model import BuildEvent, BuildRequest, Outcome, document

_converter = make_converter()


@frozen
class Assignment:
    """The build that a child is to do. ``timeout_s`` is None for no limit."""

    request: BuildRequest
    attempt: int
    workspace: str
    timeout_s: float | None = None

    @property
    def root(self) -> Path:
        """Root of the workspace."""
        return Path(self.workspace)


@frozen
class Cancel:
    """Why the build must end. Followed by SIGTERM."""

    reason: str


Message = Assignment | Cancel | BuildEvent | Outcome

_KINDS: Mapping[str, type[Any]] = {"assignment": Assignment, "cancel": Cancel, "event": BuildEvent}


def send(connection: Connection, message: Message) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    if isinstance(message, Outcome):
        body: dict[str, Any] = {"kind": "outcome", "value": document.to_json(message)}
    else:
        kind = next(kind for kind, cls in _KINDS.items() if isinstance(message, cls))
        body = {"kind": kind, "value": _converter.unstructure(message)}
    connection.send_bytes(json.dumps(body).encode())


def receive(connection: Connection) -> Message:
    """Wait for one message. Raises EOFError or OSError when the other side is gone."""
    body = json.loads(connection.recv_bytes())
    if body["kind"] == "outcome":
        return document.from_json(body["value"])
    message: Message = _converter.structure(body["value"], _KINDS[body["kind"]])
    return message
