from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from thcore.errors import InfrastructureError
from thcore.pipeline import workspace

HOSTILE = ["../../etc", "/etc/passwd", "..", ".", "", "a" * 5000, "a\0b", "a/b", "-rf", "~root", "$(id)", "ü\n\udcff*"]


def test_workspaces_of_one_build_never_collide(tmp_path: Path) -> None:
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _number: workspace.create(tmp_path / "work", "same", 1).root, range(100)))
    assert len(set(made)) == 100
    assert all(root.is_dir() for root in made)


@pytest.mark.parametrize("build_id", HOSTILE)
def test_a_hostile_id_does_not_lead_out_of_the_work_directory(tmp_path: Path, build_id: str) -> None:
    made = workspace.create(tmp_path / "work", build_id, 1)
    assert made.root.parent == tmp_path / "work"
    assert made.root.resolve().parent == (tmp_path / "work").resolve()
    assert len(made.root.name) < 80
    assert list(tmp_path.iterdir()) == [tmp_path / "work"]


def test_a_workspace_is_ready_to_use_and_others_may_only_pass_through(tmp_path: Path) -> None:
    made = workspace.create(tmp_path / "work", "b1", 3)
    assert made.artifacts.is_dir()
    assert made.temporary.is_dir()
    assert not made.source.exists()
    assert stat.S_IMODE(made.root.stat().st_mode) == 0o711
    assert made.root.name.startswith("b1-3-")


def test_a_workspace_that_cannot_be_made_is_our_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match=r"cannot make a workspace below .*file") as caught:
        workspace.create(tmp_path / "file", "b1", 1)
    assert caught.value.code == "workspace-not-made"


def test_a_tree_without_write_permission_is_removed(tmp_path: Path) -> None:
    root = workspace.create(tmp_path / "work", "b1", 1).root
    deep = root / "source" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("")
    for path in (deep / "file", deep, deep.parent, root / "source", root):
        path.chmod(0o500 if path.is_dir() else 0o400)
    assert workspace.remove(root)
    assert not root.exists()


def test_the_handler_of_failed_removals_opens_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The account root is never refused, so that the refusal is played."""
    root = workspace.create(tmp_path / "work", "b1", 1).root
    closed = root / "source" / "closed"
    closed.mkdir(parents=True)
    (closed / "file").write_text("")
    closed.chmod(0o500)
    real = os.unlink

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None and not os.fstat(dir_fd).st_mode & stat.S_IWUSR:
            raise PermissionError(13, "Permission denied", path)
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    assert workspace.remove(root)


def test_what_a_link_in_the_workspace_points_to_stays(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o755)
    (precious / "file").write_text("keep me")
    root = workspace.create(tmp_path / "work", "b1", 1).root
    (root / "directory").symlink_to(precious)
    (root / "tmp" / "file").symlink_to(precious / "file")
    (root / "dangling").symlink_to("/nowhere/at/all")
    assert workspace.remove(root)
    assert (precious / "file").read_text() == "keep me"
    assert stat.S_IMODE(precious.stat().st_mode) == 0o755


def test_a_workspace_that_a_link_took_the_place_of_loses_the_link_only(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep me")
    work = tmp_path / "work"
    work.mkdir()
    (work / "b1").symlink_to(precious)
    workspace.remove(work / "b1")
    assert (precious / "file").read_text() == "keep me"


def test_a_removal_that_fails_leaves_the_rights_of_the_work_directory_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = workspace.create(tmp_path / "work", "b1", 1).root
    root.parent.chmod(0o755)
    real = os.rmdir

    def rmdir(path: str | Path, *, dir_fd: int | None = None) -> None:
        if str(path) == str(root) or str(path) == root.name:
            raise OSError(39, "Directory not empty", str(path))
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir)
    assert not workspace.remove(root)
    assert stat.S_IMODE(root.parent.stat().st_mode) == 0o755, "other builds' servers must be able to pass through"


def test_removing_a_workspace_twice_is_no_error(tmp_path: Path) -> None:
    root = workspace.create(tmp_path / "work", "b1", 1).root
    assert workspace.remove(root)
    assert workspace.remove(root)
