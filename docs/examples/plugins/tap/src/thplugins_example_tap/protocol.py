"""What a test suite says in TAP, the Test Anything Protocol: a line for each test, and how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import frozen

_POINT = re.compile(r"(?P<not>not )?ok\b *(?P<number>\d{1,9})?(?: *- *| +)?(?P<title>.*)")
_PLAN = re.compile(r"1\.\.(?P<count>\d{1,9})(?: *#.*)?")
_DIRECTIVE = re.compile(r"(?P<title>.*?) *# *(?P<word>skip|todo)\b.*", re.IGNORECASE)


@frozen
class Point:
    """One test. ``line`` counts from 1. One that is skipped, or still to be done, has not failed."""

    title: str
    passed: bool
    line: int


@frozen
class Suite:
    """All tests that were run. ``planned`` is None when the suite did not say; ``bailed`` is why it gave up, if so."""

    points: tuple[Point, ...] = ()
    planned: int | None = None
    bailed: str | None = None

    @property
    def failed(self) -> tuple[Point, ...]:
        """The tests that failed."""
        return tuple(point for point in self.points if not point.passed)

    @property
    def missing(self) -> int:
        """How many tests were planned and not run; below 0 when there were more than planned."""
        return 0 if self.planned is None else self.planned - len(self.points)


def read(lines: Iterable[str]) -> Suite:
    """The suite that these lines are of. Lines that are no TAP say something to people only."""
    points: list[Point] = []
    planned, bailed = None, None
    for number, line in enumerate(lines, 1):
        if plan := _PLAN.fullmatch(line.rstrip()):
            planned = int(plan["count"])
        elif line.startswith("Bail out!"):
            bailed = line.removeprefix("Bail out!").strip() or "no reason is given"
            break
        elif point := _POINT.fullmatch(line.rstrip()):
            directive = _DIRECTIVE.fullmatch(point["title"])
            title = directive["title"] if directive else point["title"]
            passed = not point["not"] or directive is not None
            points.append(Point(title or f"test {point['number'] or len(points) + 1}", passed, number))
    return Suite(tuple(points), planned, bailed)
