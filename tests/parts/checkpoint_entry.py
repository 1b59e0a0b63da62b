"""Telling a checkpoint that something has come by, and waiting there. Needs the standard library only.

As a program: tells it for whoever started this, with what stands in ``CHECKPOINT`` and ``CHECKPOINT_ENTRY``.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

_WORD = 64  # bytes of an answer at most


def enter(path: str, entry: dict[str, Any]) -> str:
    """Tell the checkpoint at the Unix socket ``path``, and wait; answers its word, ``go`` when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        try:
            connection.connect(path)
            connection.send(json.dumps({**entry, "at": time.monotonic()}).encode())
            return connection.recv(_WORD).decode() or "go"
        except OSError:
            return "go"


if __name__ == "__main__":
    told = json.loads(os.environ["CHECKPOINT_ENTRY"])
    enter(os.environ["CHECKPOINT"], {**told, "program": os.getppid() if told.pop("parent", False) else os.getpid()})
