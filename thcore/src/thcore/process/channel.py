"""Conversation with a running program over a socket."""

from __future__ import annotations

import selectors
import socket

from thcore.errors import InfrastructureError, PluginError
from thcore.hooks import Converse

LINE_LIMIT = 1024 * 1024
"""Bytes in one line of the program."""


class Channel:
    """Our end of a program's channel. Each line that the program writes is answered by ``converse``.

    While an answer is not taken, no further line is looked at, so that neither side can make the other grow.
    """

    VARIABLE = "THCORE_CHANNEL"

    def __init__(self, converse: Converse) -> None:
        self._converse = converse
        self._socket, self._theirs = socket.socketpair()
        self._socket.settimeout(0)
        self._incoming = bytearray()
        self._searched = 0
        self._outgoing = b""
        self.open = True

    @property
    def theirs(self) -> int:
        """The program's end."""
        return self._theirs.fileno()

    def fileno(self) -> int:
        """Our end, to be watched for ``interest``."""
        return self._socket.fileno()

    @property
    def interest(self) -> int:
        """What to watch for: selectors.EVENT_READ, or EVENT_WRITE while an answer is not taken."""
        return selectors.EVENT_WRITE if self._outgoing else selectors.EVENT_READ

    def started(self) -> None:
        """The program has its end; give up our copy."""
        self._theirs.close()

    def step(self) -> bool:
        """Do what can be done without blocking; False when there was nothing.

        Raises what ``converse`` raises, PluginError for an answer of several lines, and InfrastructureError for a line
        that is too long.
        """
        try:
            if self._outgoing:
                self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
            elif data := self._socket.recv(64 * 1024):
                self._incoming += data
            else:
                self.open = False
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:  # the program is gone
            self._outgoing, self.open = b"", False
        self._answer()
        return self.open

    def _answer(self) -> None:
        while not self._outgoing:
            newline = self._incoming.find(b"\n", self._searched)
            if (len(self._incoming) if newline < 0 else newline) > LINE_LIMIT:
                raise InfrastructureError(
                    f"the program wrote a line of over {LINE_LIMIT} bytes to its channel", code="channel-line-too-long"
                )
            if newline < 0:
                self._searched = len(self._incoming)
                return
            line = self._incoming[:newline].decode("utf-8", "replace")
            del self._incoming[: newline + 1]
            self._searched = 0
            answer = self._converse(line)
            if answer is not None:
                if "\n" in answer:
                    raise PluginError("an answer to a program must be one line")
                self._outgoing = answer.encode("utf-8", "replace") + b"\n"

    def close(self) -> None:
        """Close both ends."""
        self._socket.close()
        self._theirs.close()
