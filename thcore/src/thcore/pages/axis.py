"""A time axis: where seconds stand on it, and its round numbers."""

from __future__ import annotations

import math

from attrs import frozen

from thcore.model.quantity import format_duration
from thcore.pages.bar import per_cent

THINNEST = 0.3
"""Per cent of the axis: what is shorter is drawn as long as this, to be seen at all."""

_TICKS = 6
_ROUND_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 86400)


@frozen
class Piece:
    """A stretch of the axis, in per cent of its length. ``tone`` says what it is (``stage``, ``stopped``, ``earlier``
    for a step before the change, ``success``, ``warning``, ``failure``, ``statement``, ``lock``, ``wait``), ``words``
    what the pointer is told."""

    start: float
    length: float
    tone: str
    words: str

    @property
    def end(self) -> float:
        """Where it ends, in per cent."""
        return self.start + self.length


@frozen
class Tick:
    """A round number on the axis, and where it stands in per cent."""

    at: float
    words: str


@frozen
class Axis:
    """``length`` seconds from ``origin`` on, which is in seconds of any clock."""

    origin: float
    length: float

    def place(self, at: float) -> float:
        """Where a moment stands, in per cent; what is not on the axis stands at its nearest end."""
        return per_cent(at - self.origin, self.length)

    def piece(self, at: float, seconds: float, tone: str, words: str) -> Piece:
        """What began at a moment and took ``seconds``."""
        start = min(self.place(at), 100.0 - THINNEST)
        return Piece(start, round(max(self.place(at + seconds) - start, THINNEST), 2), tone, words)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Round numbers of seconds from its origin on."""
        apart = _apart(self.length)
        return tuple(
            Tick(per_cent(number * apart, self.length), rounded(number * apart))
            for number in range(int(self.length / apart + 1e-9) + 1)
        )


def _apart(length: float) -> float:
    """The round number of seconds that is found a few times in a length."""
    least = length / _TICKS
    if least > _ROUND_S[-1]:
        return math.ceil(least / _ROUND_S[-1]) * _ROUND_S[-1]
    if least > 1:
        return next(seconds for seconds in _ROUND_S if seconds >= least)
    power = 10.0 ** math.floor(math.log10(max(least, 1e-6)))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def rounded(seconds: float) -> str:
    """A duration without the zeros at its end."""
    words = format_duration(seconds)
    for zeros in (" 00 s", " 00 m", ".0 s"):
        if words.endswith(zeros):
            return words.removesuffix(zeros) + (" s" if zeros == ".0 s" else "")
    return words
