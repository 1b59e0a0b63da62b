from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.pipeline import workspace
from thcore.process import mounts


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    made = workspace.create(tmp_path / "work", "b1", 1).root
    probe = made / "tmp"
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "none", probe], check=False).returncode:
        pytest.skip("this account may not mount")
    subprocess.run(["umount", probe], check=True)
    yield made
    mounts.clear(made)


def bind(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", source, target], check=True)


def test_a_removed_workspace_does_not_take_along_what_was_mounted_in_it(root: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    bind(precious, root / "source" / "with space\tand \\ tab")
    assert mounts.below(root) == (root / "source" / "with space\tand \\ tab",)

    assert workspace.remove(root)

    assert not root.exists()
    assert (precious / "file").read_text() == "keep me"
    assert mounts.below(root) == ()


def test_mounts_in_and_on_top_of_each_other_are_all_undone(root: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    (outer / "inner").mkdir(parents=True)
    for _ in range(2):
        bind(outer, root / "tmp")
        bind(tmp_path / "outer", root / "tmp" / "inner")
    assert len(mounts.below(root)) >= 4
    assert workspace.remove(root)
    assert (outer / "inner").is_dir()


def test_a_mount_that_is_in_use_is_undone_lazily(root: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "file").write_text("keep me")
    bind(outer, root / "tmp")
    with (root / "tmp" / "file").open() as held:
        assert workspace.remove(root)
        assert held.read() == "keep me"
    assert (outer / "file").exists()


def test_a_workspace_with_a_mount_that_cannot_be_undone_stays_as_it_is(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    bind(precious, root / "tmp")
    monkeypatch.setattr(mounts, "_unmount", lambda _point, _flags: 1)

    assert not workspace.remove(root)

    assert (precious / "file").read_text() == "keep me"
    assert f"{root / 'tmp'} is mounted in there" in caplog.text


def test_a_mount_beside_the_directory_or_behind_a_link_is_no_concern(root: Path, tmp_path: Path) -> None:
    beside = root.with_name(root.name + "-2")
    bind(tmp_path, beside)
    try:
        (root / "link").symlink_to(beside)
        assert mounts.below(root) == ()
        assert mounts.below(root / "link") == ()
        assert workspace.remove(root)
        assert mounts.below(beside) == (beside,)
    finally:
        mounts.clear(beside)
