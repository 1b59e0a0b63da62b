"""Blanking out secrets in bytes."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable, Iterator

BLANK = b"***"
_SHORTEST_LINE = 4
"""Lines of a multi-line secret that are shorter than this stay: they say nothing, and would blank out half the log."""


class Redaction:
    """Replaces every occurrence of some secrets by ``***``.

    A secret of several lines (a private key) is looked for line by line, and every secret also in the form that it
    takes inside a URL.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        words: set[bytes] = set()
        for secret in secrets:
            lines = [line.strip() for line in secret.splitlines() if line.strip()]
            if len(lines) > 1:
                lines = [line for line in lines if len(line) >= _SHORTEST_LINE]
            for line in lines:
                words |= {line.encode(), urllib.parse.quote(line, safe="").encode()}
        self._words = tuple(words)
        self.longest = max(map(len, words), default=0)

    def apply(self, data: bytes) -> bytes:
        """The same bytes without the secrets."""
        found = self._found(data)
        if not found:
            return data
        kept: list[bytes] = []
        position = 0
        for start, end in found:
            kept.append(data[position:start])
            position = end
        kept.append(data[position:])
        return BLANK.join(kept)

    def cut(self, data: bytes) -> int:
        """Where a line of which more is to come can be cut: no secret may begin before and end behind.

        At most twice the longest secret is left behind the cut.
        """
        cut = max(0, len(data) - max(0, self.longest - 1))
        for start, end in self._found(data):
            if start < cut < end:
                return start if start > 0 and end - start <= self.longest else end
        return cut

    def _found(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are: ranges in order, those that touch joined."""
        return _joined(sorted(place for word in self._words for place in _joined(_places(word, data))))


def _places(word: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    start = data.find(word)
    while start >= 0:
        yield start, start + len(word)
        start = data.find(word, start + 1)


def _joined(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in places:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
