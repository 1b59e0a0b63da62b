"""What the worker and the child process of a build tell each other: one JSON document per message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from attrs import frozen
from cattrs.preconf.json import make_converter

from thcore.model import BuildEvent, BuildRequest, Outcome, document

_converter = make_converter()
# An outcome has a document of its own, versioned like result.json.
_converter.register_unstructure_hook(Outcome, partial(document.to_json, compact=True))
_converter.register_structure_hook(Outcome, lambda text, _type: document.from_json(text))


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
class Publishing:
    """Evidence that a child is to publish, through the named plugins; the verdict is known already."""

    request: BuildRequest
    outcome: Outcome
    publishers: tuple[str, ...]
    workspace: str

    @property
    def root(self) -> Path:
        """Root of the workspace."""
        return Path(self.workspace)


@frozen
class Cancel:
    """Why the work must end. Followed by SIGTERM."""

    reason: str


@frozen
class Judged:
    """The outcome before it is published: what counts if the child should not live to send the last one."""

    outcome: Outcome


@frozen
class Ended:
    """The outcome, and the last that a child says."""

    outcome: Outcome


Work = Assignment | Publishing
Message = Work | Cancel | BuildEvent | Judged | Ended

_KINDS: Mapping[str, type[Any]] = {
    "assignment": Assignment,
    "publishing": Publishing,
    "cancel": Cancel,
    "event": BuildEvent,
    "judged": Judged,
    "ended": Ended,
}
_NAMES = {cls: name for name, cls in _KINDS.items()}


def send(connection: Connection, message: Message) -> None:
    """Send one message. Raises OSError when the other side is gone."""
    body = {"kind": _NAMES[type(message)], "value": _converter.unstructure(message)}
    connection.send_bytes(json.dumps(body).encode())


def receive(connection: Connection) -> Message:
    """Wait for one message. Raises EOFError or OSError when the other side is gone."""
    body = json.loads(connection.recv_bytes())
    message: Message = _converter.structure(body["value"], _KINDS[body["kind"]])
    return message
