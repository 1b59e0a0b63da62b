from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thcore.pages.amount import named, round_step, shortened, worded


@pytest.mark.parametrize(
    ("counter", "value", "words", "short"),
    [
        ("wall_s", 74.3, "1 m 14 s", "1 m 14 s"),
        ("writes_wait_s", -0.25, "-0.25 s", "-0.25 s"),
        ("wal_bytes", 3 * 1024**2, "3.0 MiB", "3.0 MiB"),
        ("Innodb_rows_read", 4_549_686, "4,549,686", "4.55 M"),
        ("Innodb_rows_read", 9_999, "9,999", "9,999"),
        ("Innodb_rows_read", -2.5e12, "-2,500,000,000,000", "-2.5 T"),
    ],
)
def test_a_value_is_told_in_the_unit_of_its_counter(counter: str, value: float, words: str, short: str) -> None:
    assert worded(counter, value) == words
    assert shortened(counter, value) == short


def test_a_counter_is_called_by_its_name_and_the_table_that_it_is_about() -> None:
    assert (named("wall_s"), named("copied_rows", "orders")) == ("time", "copied_rows of orders")


@pytest.mark.parametrize(
    ("counter", "span", "step"),
    [
        ("wall_s", 0.4, 0.1),
        ("wall_s", 74, 20),
        ("wall_s", 348, 120),
        ("wall_s", 5 * 3600, 2 * 3600),
        ("wal_bytes", 134 * 1024**2, 50 * 1024**2),
        ("Innodb_rows_read", 4_549_686, 2_000_000),
        ("Innodb_rows_read", 2, 1),
    ],
)
def test_the_steps_of_a_scale_are_round_in_the_unit_of_the_counter(counter: str, span: float, step: float) -> None:
    assert round_step(counter, span) == pytest.approx(step)


@given(st.sampled_from(["wall_s", "wal_bytes", "rows"]), st.floats(1e-9, 1e19))
def test_a_scale_never_has_more_than_a_handful_of_steps(counter: str, span: float) -> None:
    assert span / round_step(counter, span) <= 4.0001
