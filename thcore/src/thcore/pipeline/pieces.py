"""The build log while it is written, in pieces that can be put up one after the other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from thcore.pages.live import piece_name

PIECE = 256 * 1024
"""Bytes of a piece, at most. A line of the log is shorter."""
MOST = 64
"""How many pieces there are at most: who follows more than that reads the published log."""
AT_ONCE = 4
"""How many of them are put up at one time, so that a talkative build costs no more than any other."""


class LogPieces:
    """Reads on in one build log. For one thread.

    To be opened before the programs of the build can put something else in the log's place. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self._log = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        self._start = 0  # of the piece that grows
        self._end = 0
        self.count = 0
        """How many there are so far."""

    def size(self) -> int:
        """Bytes of the log as it is now."""
        return os.fstat(self._log).st_size

    @property
    def whole(self) -> bool:
        """Whether the pieces that were taken hold every line that is there now."""
        return self._end >= self.size()

    def take(self) -> Mapping[str, bytes]:
        """The pieces that are new or have grown since they were last taken, by name."""
        taken: dict[str, bytes] = {}
        while len(taken) < AT_ONCE:
            data = os.pread(self._log, PIECE, self._start)
            lines = data[: data.rfind(b"\n") + 1]
            grows = self._end > self._start
            if self._start + len(lines) <= self._end or (not grows and self.count == MOST):
                break
            if not grows:
                self.count += 1
            taken[piece_name(self.count)] = lines
            self._end = self._start + len(lines)
            if len(data) == PIECE:
                self._start = self._end
        return taken

    def close(self) -> None:
        """Read no more."""
        os.close(self._log)
