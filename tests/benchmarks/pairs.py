"""Two sides of a comparison, measured in turn.

A machine's own pace can change by a tenth within a minute, which is as much as some goals. So what counts is the median
of the ratios of two that were measured one after the other, and whichever was second begins the next round.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import frozen

Taken = TypeVar("Taken")


def in_turn(rounds: int, *sides: Callable[[], Taken]) -> tuple[list[Taken], ...]:
    """What each side has taken, in the order of the rounds."""
    taken: tuple[list[Taken], ...] = tuple([] for _ in sides)
    for number in range(rounds):
        for side in sorted(range(len(sides)), reverse=number % 2 == 1):
            taken[side].append(sides[side]())
    return taken


@frozen
class Ratio:
    """How many times as much one side takes as the other: the median of all rounds, and between what half of them
    are."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, taken: Sequence[float], alone: Sequence[float]) -> Ratio:
        """Of the same rounds of both sides."""
        low, median, high = statistics.quantiles((a / b for a, b in zip(taken, alone, strict=True)), n=4)
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.3f} (half of the rounds {self.low:.3f} to {self.high:.3f})"


OWN = "its own"
IN_ALL = "in all"


def told(name: str, taken: Sequence[tuple[float, float]], alone: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Print what a step takes on both sides, in seconds: its own time, and in all. Answers the median ratio of each."""
    ratios: dict[str, float] = {}
    for what, with_it, without in zip((OWN, IN_ALL), zip(*taken, strict=True), zip(*alone, strict=True), strict=True):
        ratio = Ratio.of(with_it, without)
        ratios[what] = ratio.median
        print(f"  {name:26} {what:7} alone {span(without)}, watched {span(with_it)}; ratio {ratio}")
    return ratios


def span(taken: Sequence[float]) -> str:
    """From the least to the most, in seconds."""
    return f"{min(taken):5.2f} to {max(taken):5.2f} s"
