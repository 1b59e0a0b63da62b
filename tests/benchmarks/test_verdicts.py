"""Whether the gate says the same of a migration every time, on an idle machine and on a busy one; and how far apart is
what it measured: work beside time.

Every migration of the catalogue (tests/catalogue) is judged THCORE_BENCH_REPEATS times (20), every second time with all
processors and the disk kept busy. All of it takes some two hours; ``-k sqlite``, ``-k mysql`` or ``-k postgresql``
takes one engine.
"""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from collections.abc import Iterator, Sequence

import pytest
from attrs import frozen

from benchmarks.weather import busy

from parts.catalogue import ENGINES, Course, Entry, Said, read
from parts.servers import open_directory

REPEATS = int(os.environ.get("THCORE_BENCH_REPEATS", "20"))
WALL = "wall_s"

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(4 * 3600)]


@frozen
class Turn:
    """What was said of each entry, by name, in one repetition."""

    said: dict[str, Said]
    busy: bool

    def value(self, name: str, counter: str) -> float | None:
        """What a step came to, None where that is not known."""
        measurement = self.said[name].measurement
        return measurement.wall_s if counter == WALL else measurement.counters.get(counter)


@frozen
class Spread:
    """Values of the same thing, measured again and again."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def relative(self) -> float:
        """How far the smallest and the largest are apart, as a part of the median."""
        apart = max(self.values) - min(self.values)
        return apart / abs(self.median) if self.median else math.inf if apart else 0.0


@pytest.mark.parametrize("engine", ENGINES)
def test_no_verdict_changes_with_the_weather(engine: str) -> None:
    entries = [entry for entry in read() if entry.engine == engine]
    changed: list[str] = []
    turns = []
    with open_directory() as root:
        course = Course.of(root, engine, entries)
        for number in range(REPEATS):
            began, before = time.monotonic(), len(changed)
            with busy(root) if number % 2 else contextlib.nullcontext():
                turn = Turn(judged(course, entries), busy=bool(number % 2))
            turns.append(turn)
            for entry in entries:
                told = turn.said[entry.name].told
                if told != entry.expected:
                    changed.append(f"{entry}, {'busy' if turn.busy else 'idle'}: {told}, not {entry.expected}")
            took = f"{'busy' if turn.busy else 'idle'}, {time.monotonic() - began:.0f} s"
            new = changed[before:]
            print(f"{engine}: {number + 1} of {REPEATS}: {took}: {len(new)} told otherwise", *new, flush=True)
    print(f"\n{engine}: {len(entries)} migrations, {REPEATS} times each, {len(changed)} times told otherwise")
    print("\n".join(table(entries, turns)))
    assert not changed, "\n".join(changed)


def judged(course: Course, entries: Sequence[Entry]) -> dict[str, Said]:
    """All entries, once."""
    said = dict(course.build([entry for entry in entries if not entry.alone]))
    for entry in entries:
        if entry.alone:
            said |= course.build([entry])
    return said


def table(entries: Sequence[Entry], turns: Sequence[Turn]) -> Iterator[str]:
    """The spread of all steps together, and of the one step whose values are the furthest apart."""
    yield f"{'all steps together':25}{'min':>12}{'median':>12}{'max':>12}{'spread':>8}  widest in one step"
    for title, is_busy in (("idle", False), ("busy", True)):
        if some := [turn for turn in turns if turn.busy is is_busy]:
            yield row(f"{WALL}, {title}", WALL, entries, some)
    yield row(WALL, WALL, entries, turns)
    counters = {name for turn in turns for said in turn.said.values() for name in said.measurement.counters}
    for counter in sorted(counters):
        yield row(counter, counter, entries, turns)


def row(title: str, counter: str, entries: Sequence[Entry], turns: Sequence[Turn]) -> str:
    """One counter. Steps of which it is not known every time are left out, and counted."""
    found = {
        entry.name: tuple(value for turn in turns if (value := turn.value(entry.name, counter)) is not None)
        for entry in entries
    }
    spreads = {name: Spread(values) for name, values in found.items() if len(values) == len(turns)}
    sometimes = sum(0 < len(values) < len(turns) for values in found.values())
    partly = f"; {sometimes} not always known" if sometimes else ""
    if not spreads:
        return f"{title[:25]:25}{'not known':>12}{partly}"
    total = Spread(tuple(map(sum, zip(*(spread.values for spread in spreads.values()), strict=True))))
    widest = max(spreads, key=lambda name: spreads[name].relative)
    figures = "".join(f"{number(value):>12}" for value in (min(total.values), total.median, max(total.values)))
    told = f"{share(spreads[widest].relative)} {widest[:26]}" if spreads[widest].relative else "always the same"
    return f"{title[:25]:25}{figures}{share(total.relative):>8}  {told}{partly}"


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}"


def share(value: float) -> str:
    return "from 0" if math.isinf(value) else f"{value:.0%}"
