"""A chart of values over builds: where everything stands in the picture. Drawn by ``chart.svg.j2``.

Written here, since no chart library makes SVG that is accessible, follows the reader's dark mode and works under the
policy of our pages, which lets neither script nor anything from elsewhere in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from attrs import frozen

from thcore.pages.amount import round_step, shortened

WIDTH, HEIGHT = 420, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 12.0, 12.0, 20.0
_ROOM_FOR_A_LIMIT = 4.0
"""A limit that is more than this many times the highest value would press all of them to the ground."""


@frozen
class Point:
    """A value of the build that stands at place ``at`` of the axis, which counts from 0 at the left.

    ``tone`` says how that build ended, ``title`` all of it in words; ``address`` is the build's page, if it is known.
    ``over`` is ``failure`` or ``warning`` where the value is above a limit that fails a build or that only warns.
    ``why`` it cannot be compared with the point before without a thought is empty where it can.
    """

    at: int
    value: float
    tone: str
    title: str
    address: str | None = None
    limit: float | None = None
    over: str = ""
    why: str = ""


@frozen
class Dot:
    """A point in the picture."""

    x: float
    y: float
    point: Point


@frozen
class Tick:
    """A line of the scale."""

    y: float
    text: str


@frozen
class Chart:
    """All of a picture of ``WIDTH`` by ``HEIGHT``. ``line`` joins the dots; ``limit`` is the path of the limit where it
    is in the picture, else empty; ``breaks`` are where and why values cannot be compared with those before. ``first``
    and ``last`` are the ends of the axis."""

    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    line: str
    limit: str
    breaks: tuple[tuple[float, str], ...]
    width: int = WIDTH
    height: int = HEIGHT
    first: float = _LEFT
    last: float = WIDTH - _RIGHT
    ground: float = HEIGHT - _BOTTOM


def drawn(counter: str, points: Sequence[Point], places: int) -> Chart:
    """The chart of a counter on an axis with ``places`` places. ``points`` are one or more, from left to right."""
    values = [point.value for point in points]
    highest, lowest = max(*values, 0.0), min(*values, 0.0)
    shown = [limit for point in points if (limit := point.limit) is not None and limit <= _ROOM_FOR_A_LIMIT * highest]
    ticks = _ticks(counter, lowest, max(highest, *shown) if shown else highest)
    bottom, top = ticks[0], ticks[-1]
    depth = HEIGHT - _TOP - _BOTTOM

    def y(value: float) -> float:
        return round(_TOP + depth * (top - value) / (top - bottom), 1)

    step = (WIDTH - _LEFT - _RIGHT) / max(places, 1)
    dots = tuple(Dot(round(_LEFT + step * (point.at + 0.5), 1), y(point.value), point) for point in points)
    return Chart(
        dots,
        tuple(Tick(y(value), shortened(counter, value)) for value in ticks),
        " ".join(f"{dot.x},{dot.y}" for dot in dots),
        _limit(dots, step, y, set(shown)),
        tuple((round((before.x + dot.x) / 2, 1), dot.point.why) for before, dot in pairwise(dots) if dot.point.why),
    )


def _ticks(counter: str, lowest: float, highest: float) -> list[float]:
    """Round values from one at or below the lowest to one at or above the highest."""
    step = round_step(counter, highest - lowest) if highest > lowest else 1.0
    below, above = math.floor(lowest / step), math.ceil(highest / step)
    return [number * step for number in range(below, max(above, below + 1) + 1)]


def _limit(dots: Sequence[Dot], step: float, y: Callable[[float], float], shown: set[float]) -> str:
    """A level piece at each point that has a limit, which holds up to the next point that has one."""
    path: list[str] = []
    begun = False
    for dot in dots:
        if dot.point.limit is None or dot.point.limit not in shown:
            begun = False
            continue
        start, end, level = round(dot.x - step / 2, 1), round(dot.x + step / 2, 1), y(dot.point.limit)
        path.append(f"{f'H{start}V{level}' if begun else f'M{start},{level}'}H{end}")
        begun = True
    return "".join(path)
