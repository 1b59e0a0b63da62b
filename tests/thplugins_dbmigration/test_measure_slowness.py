from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from thplugins_dbmigration.measure.slowness import FILE, KEPT, MINIMUM, Calibration, slowness


def paced(monkeypatch: pytest.MonkeyPatch, *paces: tuple[float, float]) -> None:
    """Have the machine be as fast as this, one calibration after the other."""
    coming: Iterator[tuple[float, float]] = iter(paces)
    monkeypatch.setattr(Calibration, "made", classmethod(lambda cls, _place: cls(*next(coming))))


def test_a_real_calibration_takes_time_of_processor_and_disk_and_leaves_nothing(tmp_path: Path) -> None:
    made = Calibration.made(tmp_path)

    assert made.processor_s > 0
    assert made.disk_s > 0
    assert list(tmp_path.iterdir()) == []


def test_nobody_knows_what_is_usual_before_a_few_calibrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, *[(0.01, 0.002)] * (MINIMUM + 1))

    assert [slowness(tmp_path, tmp_path) for _ in range(MINIMUM + 1)] == [None] * MINIMUM + [1.0]


def test_the_one_of_processor_and_disk_that_suffers_more_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced(monkeypatch, *[(0.01, 0.002)] * 9, (0.02, 0.002), (0.01, 0.01), (0.005, 0.001))
    told = [slowness(tmp_path, tmp_path) for _ in range(12)]

    assert told[-3:] == [2.0, 5.0, 0.5]


def test_one_slow_day_is_not_what_is_usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paced(monkeypatch, *[(0.01, 0.002)] * 9, *[(0.5, 0.5)] * 4, (0.01, 0.002))
    told = [slowness(tmp_path, tmp_path) for _ in range(14)]

    assert told[-1] == 1.0


def test_what_is_remembered_is_bounded_and_lines_that_are_none_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text("nonsense\n0 0\n-1 2\n0.01\n" + "0.01 0.002\n" * (KEPT + 50), "utf-8")
    paced(monkeypatch, (0.03, 0.002))

    assert slowness(tmp_path, tmp_path) == 3.0
    assert len((tmp_path / FILE).read_text("utf-8").splitlines()) == KEPT
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_disk_that_cannot_be_written_to_leaves_it_unknown(tmp_path: Path) -> None:
    assert slowness(tmp_path, tmp_path / "nowhere") is None
