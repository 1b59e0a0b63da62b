from __future__ import annotations

import random

import pytest

from thcore.model import Limit, Measurement, Severity
from thplugins_dbmigration.limits.learned import MINIMUM, learned


def samples(*wal: int | None, wall_s: float = 1.0) -> list[Measurement]:
    return [Measurement(wall_s, {"wal_bytes": value, "blks_hit": 5}) for value in wal]


def limits(*wal: int | None, wall_s: float = 1.0) -> dict[str, Limit]:
    return {limit.counter: limit for limit in learned(samples(*wal, wall_s=wall_s), Severity.WARNING)}


def test_few_samples_teach_nothing() -> None:
    assert limits(*[5] * (MINIMUM - 1)) == {}
    assert set(limits(*[5] * MINIMUM)) == {"wall_s", "wal_bytes"}
    assert set(limits(*[5] * (MINIMUM - 1), None)) == {"wall_s"}


def test_a_counter_that_never_moves_has_a_margin_all_the_same() -> None:
    small, large = limits(*[1000] * MINIMUM)["wal_bytes"], limits(*[722_473_339] * MINIMUM)["wal_bytes"]

    assert small.maximum == 1000 + 4 * 1024 * 1024
    assert large.maximum == pytest.approx(722_473_339 * 1.25)


def test_a_counter_that_spreads_has_a_margin_as_wide() -> None:
    values = [100_000_000 + step * 20_000_000 for step in range(-10, 11)]

    assert limits(*values)["wal_bytes"].maximum == pytest.approx(100_000_000 + 6 * 1.4826 * 100_000_000)


def test_less_than_half_of_the_samples_cannot_pull_a_limit_up_but_it_lies_above_all_of_them() -> None:
    mostly = [1_000_000_000] * 15 + [9_000_000_000] * 5

    assert limits(*mostly)["wal_bytes"].maximum == 9_000_000_000
    assert limits(*[1_000_000_000] * 15, *[1_100_000_000] * 5)["wal_bytes"].maximum == 1_250_000_000


def test_time_is_a_wide_safety_limit() -> None:
    assert limits(*[1] * MINIMUM, wall_s=0.5)["wall_s"].maximum == 60.5
    assert limits(*[1] * MINIMUM, wall_s=60.0)["wall_s"].maximum == 600.0


def test_a_limit_says_what_it_was_learned_from_and_how_often_it_will_be_wrong() -> None:
    limit = limits(*[5000] * 24)["wal_bytes"]

    assert limit.origin == ("learned from 24 runs: median 5,000, deviation 0; a false alarm in 1 of 25 runs at most")
    assert limit.false_alarms == 1 / 25
    assert limit.severity is Severity.WARNING


@pytest.mark.parametrize("shape", ["normal", "heavy"])
def test_runs_that_are_alike_exceed_a_learned_limit_as_seldom_as_it_says(shape: str) -> None:
    """Also where a few values are far above the rest, as durations are."""
    chance = random.Random(7)
    alarms, trials = 0, 2000
    for _ in range(trials):
        drawn = [
            chance.gauss(1e9, 2e8) if shape == "normal" else 1e9 * chance.paretovariate(1.2) for _ in range(MINIMUM + 1)
        ]
        (limit,) = [
            each for each in learned(samples(*map(int, drawn[:-1])), Severity.WARNING) if each.counter != "wall_s"
        ]
        assert limit.false_alarms is not None
        alarms += drawn[-1] > limit.maximum

    assert alarms / trials <= 1 / (MINIMUM + 1)
