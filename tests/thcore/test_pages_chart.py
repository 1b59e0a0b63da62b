from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thcore.pages.chart import HEIGHT, WIDTH, Chart, Point, drawn


def chart(*values: float, limits: tuple[float | None, ...] = (), counter: str = "rows", why: str = "") -> Chart:
    """A chart of values side by side; the last one has a reason not to be compared."""
    points = [
        Point(at, value, "success", "", None, limit, "", why if at == len(values) - 1 else "")
        for at, (value, limit) in enumerate(itertools.zip_longest(values, limits[: len(values)]))
    ]
    return drawn(counter, points, len(values))


@given(st.lists(st.floats(-1e18, 1e18), min_size=1, max_size=60))
def test_every_dot_lies_in_the_picture_and_a_higher_value_is_never_lower(values: list[float]) -> None:
    made = chart(*values)

    assert all(made.first <= dot.x <= made.last for dot in made.dots)
    assert all(0 <= dot.y <= HEIGHT for dot in made.dots)
    by_value = sorted(made.dots, key=lambda dot: dot.point.value)
    assert all(one.y >= other.y for one, other in itertools.pairwise(by_value))
    assert 2 <= len(made.ticks) <= 7


def test_dots_stand_at_the_places_of_their_builds() -> None:
    points = [Point(0, 1.0, "success", ""), Point(9, 1.0, "success", "")]
    first, last = drawn("rows", points, 10).dots

    assert first.x < WIDTH / 4
    assert last.x > WIDTH * 3 / 4


def test_the_scale_begins_at_nothing_and_has_round_values() -> None:
    assert [tick.text for tick in chart(3.1, 7.2).ticks] == ["0", "2", "4", "6", "8"]
    assert next(tick.text for tick in chart(12.0, 74.0, counter="wall_s").ticks) == "0 s"
    assert [tick.text for tick in chart(0.0).ticks] == ["0", "1"]


def test_a_limit_is_drawn_where_there_is_one() -> None:
    made = chart(10, 30, 10, 10, limits=(20, 20, None, 20))

    assert made.limit.count("M") == 2, "it is broken where there is none"


def test_a_limit_that_would_press_all_values_to_the_ground_is_not_drawn() -> None:
    made = chart(10, 12, limits=(1000, 1000))

    assert made.limit == ""
    assert made.dots == chart(10, 12).dots or [dot.y for dot in made.dots] == [dot.y for dot in chart(10, 12).dots]


def test_a_break_stands_between_the_values_that_cannot_be_compared() -> None:
    made = chart(1, 2, 3, why="other content")

    ((x, why),) = made.breaks
    assert made.dots[1].x < x < made.dots[2].x
    assert why == "other content"


def test_a_single_value_makes_a_chart() -> None:
    made = chart(5)
    assert made.dots[0].x == pytest.approx((made.first + made.last) / 2)
