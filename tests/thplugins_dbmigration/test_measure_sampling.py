"""The peak on disk while a step runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.measure import sampling
from thplugins_dbmigration.measure.sampling import Sampler, occupied, pause_after_look

MEGABYTE = 1024 * 1024


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    data, temporary = tmp_path / "data", tmp_path / "temporary"
    (data / "app").mkdir(parents=True)
    temporary.mkdir()
    filled(data / "app" / "table", 2)
    return Storage(data, (temporary,), os.getpid())


def filled(path: Path, megabytes: int) -> None:
    path.write_bytes(b"x" * (megabytes * MEGABYTE))


def megabytes(found: int | None) -> int:
    assert found is not None
    return round(found / MEGABYTE)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Is released after every look."""
    looks = threading.Semaphore(0)

    def look(storage: Storage) -> sampling.Occupied:
        found = occupied(storage)
        looks.release()
        return found

    monkeypatch.setattr(sampling, "occupied", look)
    return looks


@pytest.mark.parametrize(
    ("took_s", "grown", "pause_s"),
    [
        pytest.param(0.0001, 0, 0.05, id="few files"),
        pytest.param(0.005, 100 * MEGABYTE, 0.5, id="a hundredth of the time"),
        pytest.param(0.005, -100 * MEGABYTE, 0.5, id="idem when something has gone"),
        pytest.param(0.005, MEGABYTE // 2, 1.0, id="half as often while hardly anything grows"),
    ],
)
def test_files_are_looked_at_the_more_often_the_more_they_grow(took_s: float, grown: int, pause_s: float) -> None:
    assert pause_after_look(took_s, grown) == pytest.approx(pause_s)


def test_a_copy_that_is_gone_at_the_end_shows_in_the_peak(storage: Storage, looked: threading.Semaphore) -> None:
    sampler = Sampler.start(storage)
    sampler.begin()
    copy = storage.data / "app" / "copy"
    filled(copy, 3)
    for _ in range(4):  # a look that had begun may not have seen it
        looked.acquire(timeout=10)
    copy.unlink()
    told = sampler.stop()
    assert megabytes(told["peak_bytes"]) == 3
    assert told["temporary_bytes"] == 0
    assert sampler.stop() == told


def test_a_temporary_file_without_a_name_counts_as_well(storage: Storage) -> None:
    (place,) = storage.temporary
    filled(place / "named", 1)
    with (place / "nameless").open("wb") as stream:
        (place / "nameless").unlink()
        stream.write(b"x" * (4 * MEGABYTE))
        stream.flush()
        found = occupied(storage)
    assert megabytes(found.temporary) == 5
    assert megabytes(found.total) == 7
    assert megabytes(occupied(storage).temporary) == 1


def test_where_temporary_files_cannot_be_told_they_are_unknown(storage: Storage) -> None:
    found = occupied(Storage(storage.data))
    assert (megabytes(found.total), found.temporary) == (2, None)
    assert Sampler.start(Storage(storage.data)).stop()["temporary_bytes"] is None


@pytest.mark.timeout(20)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_step_begins_even_if_the_first_look_breaks(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(storage: Storage) -> sampling.Occupied:
        raise MemoryError(storage)

    monkeypatch.setattr(sampling, "occupied", broken)
    sampler = Sampler.start(storage)
    sampler.begin()
    sampler.stop()


def test_temporary_files_inside_of_the_data_are_counted_once(storage: Storage) -> None:
    place = storage.data / "pgsql_tmp"
    place.mkdir()
    filled(place / "sort", 1)
    found = occupied(Storage(storage.data, (place,)))
    assert (megabytes(found.total), megabytes(found.temporary)) == (3, 1)


def test_what_vanishes_is_no_error(storage: Storage) -> None:
    assert occupied(Storage(storage.data / "gone", storage.temporary, 2**22 + 1)).total == 0
