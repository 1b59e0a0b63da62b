from __future__ import annotations

from pathlib import Path

from thcore.worker.fitness import disk


def test_a_disk_with_room_has_no_problem(tmp_path: Path) -> None:
    seen = disk(tmp_path / "state", "state", 1)

    assert seen.problem == ""
    assert 0 < seen.free <= seen.total
    assert list((tmp_path / "state").iterdir()) == [], "the probe was left behind"


def test_a_disk_with_too_little_room_says_how_much_there_is_and_what_is_wanted(tmp_path: Path) -> None:
    seen = disk(tmp_path, "work", 2**60)

    assert seen.problem.startswith(f"{tmp_path} (work) has ")
    assert "less than free_space (1048576.0 TiB)" in seen.problem


def test_a_directory_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    seen = disk(tmp_path / "state", "state", 1)

    assert seen.problem == f"{tmp_path / 'state'} (state) cannot be written: File exists"
