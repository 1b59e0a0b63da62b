"""Seconds stand where they belong on an axis, and its numbers are round."""

from __future__ import annotations

import pytest

from thcore.pages.axis import THINNEST, Axis


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (348, ["0 s", "1 m", "2 m", "3 m", "4 m", "5 m"]),
        (75.8, ["0 s", "20 s", "40 s", "1 m"]),
        (9, ["0 s", "2 s", "4 s", "6 s", "8 s"]),
        (0.43, ["0 s", "0.1 s", "0.2 s", "0.3 s", "0.4 s"]),
        (3 * 3600, ["0 s", "30 m", "1 h", "1 h 30 m", "2 h", "2 h 30 m", "3 h"]),
        (12 * 86400, ["0 s", "48 h", "96 h", "144 h", "192 h", "240 h", "288 h"]),
    ],
)
def test_an_axis_has_a_few_round_numbers(seconds: float, words: list[str]) -> None:
    ticks = Axis(1000.0, seconds).ticks

    assert [tick.words for tick in ticks] == words
    assert all(0 <= tick.at <= 100 for tick in ticks)


def test_a_piece_is_where_and_as_long_as_it_was() -> None:
    piece = Axis(1000.0, 200.0).piece(1050.0, 100.0, "stage", "execute")

    assert (piece.start, piece.length, piece.end) == (25.0, 50.0, 75.0)


def test_what_took_no_time_is_still_to_be_seen_even_at_the_end() -> None:
    piece = Axis(0.0, 100.0).piece(100.0, 0.0, "stage", "analyse")

    assert piece.length == THINNEST
    assert piece.end == pytest.approx(100.0)


def test_what_goes_beyond_the_axis_ends_with_it() -> None:
    axis = Axis(100.0, 10.0)

    assert axis.piece(95.0, 10.0, "wait", "").start == 0.0
    assert axis.piece(105.0, 50.0, "wait", "").end == 100.0


@pytest.mark.parametrize("seconds", [1e-9, 0.001, 1e9])
def test_very_short_and_very_long_axes_have_numbers_too(seconds: float) -> None:
    assert 1 <= len(Axis(0.0, seconds).ticks) <= 8
