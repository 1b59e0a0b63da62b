"""Where on the disk directories are put."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from thcore.builtin.trees import Stock
from thcore.hooks import scatter
from thcore.pipeline import workspace


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory of a file system that can scatter what is in there."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], check=True, capture_output=True, text=True).stdout
    if kind.strip() != "ext2/ext3":  # what coreutils calls ext4, too
        pytest.skip(f"{tmp_path} is on {kind.strip()}, which has no such attribute")
    return tmp_path


def attributes(directory: Path) -> str:
    listed = subprocess.run(["lsattr", "-d", directory], check=True, capture_output=True, text=True)
    return listed.stdout.split()[0]


def test_a_directory_is_told_to_scatter_and_keeps_its_other_attributes(place: Path) -> None:
    subprocess.run(["chattr", "+A", place], check=True)
    scatter(place)
    scatter(place)
    assert {"T", "A"} <= set(attributes(place))


def test_what_is_inside_does_not_scatter(place: Path) -> None:
    scatter(place)
    (place / "inside").mkdir()
    assert "T" not in attributes(place / "inside")


def test_work_directories_scatter_their_workspaces(place: Path) -> None:
    root = workspace.create(place / "work", "1", 1).root
    assert "T" in attributes(root.parent)
    assert "T" not in attributes(root)


def test_trees_that_are_kept_ready_are_scattered(place: Path) -> None:
    stock = Stock(place / "trees", "example/project", "main")
    stock.take(place / "source")
    assert "T" in attributes(stock.directory)


def test_nothing_happens_where_a_file_system_cannot_or_a_directory_is_not_there(tmp_path: Path) -> None:
    scatter(Path("/proc"))
    scatter(tmp_path / "nowhere")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
