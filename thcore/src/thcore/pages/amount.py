"""What a counter counts, in words: seconds, bytes or things, as its name tells."""

from __future__ import annotations

import math

from thcore.model.quantity import format_duration, format_size
from thcore.pages.axis import rounded

WALL = "wall_s"
"""The counter of the time that a step took."""
TIME = "time"
"""What pages call it."""

_SECONDS = (1.0, 60.0, 3600.0)
_BYTES = tuple(1024.0**power for power in range(1, 5))
_SHORT = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_ROUND = (1.0, 2.0, 5.0)
_SHORTEST_S = 0.001


def named(counter: str, table: str = "") -> str:
    """What pages call a counter, of one table where it is about one."""
    name = TIME if counter == WALL else counter
    return f"{name} of {table}" if table else name


def worded(counter: str, value: float) -> str:
    """A value of the counter, in its unit."""
    if counter.endswith("_s"):
        return f"-{format_duration(-value)}" if value < 0 else format_duration(value)
    if "bytes" in counter:
        return format_size(int(value))
    return f"{value:,.0f}"


def shortened(counter: str, value: float) -> str:
    """The same for the scale of a chart, where there is little room."""
    if counter.endswith("_s"):
        return f"-{rounded(-value)}" if value < 0 else rounded(value)
    if "bytes" in counter or abs(value) < 10_000:
        return worded(counter, value)
    size, letter = next((size, letter) for size, letter in _SHORT if abs(value) >= size)
    return f"{value / size:,.4g} {letter}"


def round_step(counter: str, span: float) -> float:
    """A round amount of the counter's unit that fits three or four times into ``span``, which is above 0."""
    seconds = counter.endswith("_s")
    units = _SECONDS if seconds else _BYTES if "bytes" in counter else ()
    unit = next((unit for unit in reversed(units) if span >= 2 * unit), 1.0)
    wanted = span / 4 / unit
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next((factor for factor in _ROUND if factor * power >= wanted), 10.0) * power * unit
    return max(step, _SHORTEST_S if seconds else 1.0)
