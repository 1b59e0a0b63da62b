"""Work trees that are ready before a build asks for one."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from attrs import evolve

from thcore.builtin import trees
from thcore.builtin.git import plugin
from thcore.builtin.git_options import GitOptions
from thcore.builtin.lock import locked
from thcore.model import Attempt, Change, ChangeKind, Checkout, Seconds
from thcore.testing import make_build
from thcore.testing.repository import Repository

PROJECT = "example/project"
FILES = {f"src/{number}.py": f"value = {number}\n" for number in range(12)}


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin" / PROJECT, {**FILES, ".gitattributes": "*.py text\n", "link": "target\n"})


@pytest.fixture
def options(tmp_path: Path) -> GitOptions:
    return GitOptions(base_url=str(tmp_path / "origin"), retries=0, refresh=Seconds(0.0), spare_trees=2)


def change(origin: Repository, number: int, files: dict[str, str]) -> Change:
    ref = f"refs/changes/{number:02}/{number}/1"
    return Change(PROJECT, ChangeKind.CHANGE, "main", ref, origin.change(ref, files))


def check_out(tmp_path: Path, options: GitOptions, asked: Change, build_id: str) -> Checkout:
    with make_build(tmp_path, change=asked, build_id=build_id) as build:
        return plugin.thcore_checkout(build, options)


def clean_up(tmp_path: Path, options: GitOptions, build_id: str) -> None:
    with make_build(tmp_path, build_id=build_id) as build:
        plugin.thcore_cleanup(Attempt(build_id, "job", 1, build.workspace.root, build.state), options)


def ready(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state").rglob("ready-*"))


def contents(tree: Path) -> dict[str, str]:
    """Every file but those of the repository, and everything that is not one."""
    return {
        str(path.relative_to(tree)): path.read_text() if path.is_file() and not path.is_symlink() else "no file"
        for path in tree.rglob("*")
        if ".git" not in path.relative_to(tree).parts and (path.is_symlink() or not path.is_dir())
    }


def git(tree: Path, *argv: str) -> str:
    with make_build(tree.parent / "looking") as build:
        return trees.Git(build, 60.0)(*argv, directory=tree)


def log_of(checkout: Checkout) -> str:
    return (checkout.path.parent / "artifacts" / "console.log").read_text()


def test_a_build_gets_a_tree_that_was_made_before_it_asked(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    assert len(ready(tmp_path)) == 2
    files = {(tree / "src/0.py").stat().st_ino for tree in ready(tmp_path)}

    checkout = check_out(tmp_path, options, change(origin, 2, {"new": "2\n", "src/1.py": "changed = 1\n"}), "b2")

    assert (checkout.path / "src/0.py").stat().st_ino in files, "it was moved, not written"
    assert len(ready(tmp_path)) == 1
    assert (checkout.path / "new").read_text() == "2\n"
    assert (checkout.path / "src/1.py").read_text() == "changed = 1\n"
    assert git(checkout.path, "status", "--short") == ""
    assert git(checkout.path, "rev-parse", "HEAD").strip() == checkout.commit
    assert git(checkout.path, "config", "remote.origin.url").strip() == str(tmp_path / "origin" / PROJECT)


def test_what_was_lent_is_replaced_after_the_build_by_the_newest_state_of_the_branch(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    old = set(ready(tmp_path))
    origin.commit({"merged": "merged\n"})

    check_out(tmp_path, options, change(origin, 2, {"new": "2\n"}), "b2")
    clean_up(tmp_path, options, "b2")

    (newest,) = set(ready(tmp_path)) - old
    assert (newest / "merged").read_text() == "merged\n"
    assert not (newest / "new").exists(), "no change that is under test is in there"


def test_a_tree_of_the_stock_has_the_tags_and_branches_of_this_moment(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    origin.commit({"released": "yes\n"})
    origin.tag("2.0.0")

    checkout = check_out(tmp_path, options, change(origin, 2, {"new": "2\n"}), "b2")

    assert git(checkout.path, "describe", "--tags").startswith("2.0.0-1-g")
    assert git(checkout.path, "rev-parse", "origin/main").strip() == origin.head()


def test_the_first_build_of_a_branch_takes_a_tree_of_another_one(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    files = {(tree / "src/0.py").stat().st_ino for tree in ready(tmp_path)}
    origin.branch("stable/old")

    checkout = check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, "stable/old"), "b2")

    assert (checkout.path / "src/0.py").stat().st_ino in files
    assert git(checkout.path, "status", "--short") == ""
    assert git(checkout.path, "rev-parse", "origin/stable/old").strip() == checkout.commit


def test_a_tree_keeps_its_repository_while_the_mirror_is_not_refreshed(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    seldom = evolve(options, refresh=Seconds(600.0))
    check_out(tmp_path, seldom, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, seldom, "b1")
    repositories = {(tree / ".git").stat().st_ino for tree in ready(tmp_path)}

    checkout = check_out(tmp_path, seldom, change(origin, 2, {"new": "2\n"}), "b2")

    assert (checkout.path / ".git").stat().st_ino in repositories
    assert (checkout.path / "new").read_text() == "2\n"
    assert git(checkout.path, "status", "--short") == ""
    assert git(checkout.path, "config", "remote.origin.url").strip() == str(tmp_path / "origin" / PROJECT)


def tamper(checkout: Checkout) -> None:
    """Do what the code of a change could do to the next build, wherever it can write."""
    tree, repository = checkout.path, checkout.path / ".git"
    for path in sorted(tree.rglob("*.py")):
        before = path.stat()
        path.write_text(path.read_text().replace("value", "VALUE"))  # as long as before
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        path.chmod(0o4777)
    (tree / "src" / "conftest.py").write_text("evil = 1\n")
    (tree / ".gitignore").write_text("conftest.py\n")
    (tree / "nested" / ".git").mkdir(parents=True)
    (tree / "link").unlink()
    (tree / "link").symlink_to("/etc/passwd")
    mark = tree.parent / "executed"
    with (repository / "config").open("a") as config:
        config.write(f'[core]\n\tfsmonitor = "touch {mark}"\n\tworktree = /\n[filter "x"]\n\tsmudge = touch {mark}\n')
    (repository / "hooks").mkdir(exist_ok=True)
    (repository / "hooks" / "post-checkout").write_text(f"#!/bin/sh\ntouch {mark}\n")
    (repository / "hooks" / "post-checkout").chmod(0o755)
    (repository / "info").mkdir(exist_ok=True)
    (repository / "info" / "attributes").write_text("* filter=x\n")
    (repository / "objects" / "info" / "alternates").write_text("/nowhere\n")
    (repository / "index").write_bytes(b"DIRC")
    (repository / "index.lock").touch()


def test_nothing_that_a_build_does_to_its_tree_reaches_a_later_build(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    asked = change(origin, 1, {"new": "1\n"})
    first = contents(check_out(tmp_path, options, asked, "b0").path)
    clean_up(tmp_path, options, "b0")
    for number in range(1, 5):
        hostile = check_out(tmp_path, options, asked, f"b{number}")
        assert contents(hostile.path) == first
        assert not (hostile.path / ".git" / "hooks").exists()
        assert not (hostile.path / ".git" / "info" / "attributes").exists()
        assert git(hostile.path, "config", "--local", "--get-regexp", "core.*").split("\n")[:-1] == [
            "core.repositoryformatversion 0",
            "core.filemode true",
            "core.bare false",
            "core.logallrefupdates true",
        ]
        assert {path.stat().st_mode & 0o7777 for path in hostile.path.rglob("*.py")} == {0o666 & ~UMASK}
        tamper(hostile)
        clean_up(tmp_path, options, f"b{number}")
        assert len(ready(tmp_path)) == 2

    assert not list(tmp_path.rglob("executed"))


UMASK = os.umask(0)
os.umask(UMASK)


def test_a_file_of_the_stock_that_was_written_to_is_restored(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    for tree in ready(tmp_path):
        before = (tree / "src/3.py").stat()
        (tree / "src/3.py").write_text("VALUE = 3\n")
        os.utime(tree / "src/3.py", ns=(before.st_atime_ns, before.st_mtime_ns))

    checkout = check_out(tmp_path, options, change(origin, 2, {"new": "2\n"}), "b2")

    assert (checkout.path / "src/3.py").read_text() == "value = 3\n"


def test_git_need_not_read_the_files_of_a_large_tree_again(tmp_path: Path) -> None:
    """It reads those again that were written in the second of their index, or after."""
    many = {f"src/module{number}.py": f"value = {number}\n" for number in range(1300)}
    origin = Repository(tmp_path / "origin" / PROJECT, many)
    options = GitOptions(base_url=str(tmp_path / "origin"), retries=0, spare_trees=1)
    check_out(tmp_path, options, change(origin, 1, {"src/module1.py": "changed\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    (tree,) = ready(tmp_path)
    youngest = max(int(path.stat().st_mtime) for path in tree.rglob("*.py"))
    assert int((tree / ".git" / "index").stat().st_mtime) > youngest


@pytest.mark.parametrize("damage", ["empty index", "bad index", "no repository"])
def test_a_damaged_tree_of_the_stock_is_not_used(
    tmp_path: Path, origin: Repository, options: GitOptions, damage: str
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    for tree in ready(tmp_path):
        index = tree / ".git" / "index"
        if damage == "no repository":
            shutil.rmtree(index.parent)
        else:
            index.write_bytes(b"" if damage == "empty index" else b"DIRC" * 40)

    asked = change(origin, 2, {"new": "2\n"})
    checkout = check_out(tmp_path, options, asked, "b2")

    assert contents(checkout.path)["new"] == "2\n"
    assert set(FILES) < set(contents(checkout.path))
    assert git(checkout.path, "status", "--short") == ""
    assert "is made anew" not in log_of(checkout), "the mirror is not to blame"


def test_trees_of_an_earlier_boot_of_the_machine_are_neither_lent_nor_kept(
    tmp_path: Path, origin: Repository, options: GitOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = change(origin, 1, {"new": "1\n"})
    check_out(tmp_path, options, asked, "b1")
    clean_up(tmp_path, options, "b1")
    old = ready(tmp_path)
    monkeypatch.setattr(trees, "boot", lambda: "another")

    check_out(tmp_path, options, asked, "b2")
    assert ready(tmp_path) == old
    clean_up(tmp_path, options, "b2")

    assert len(ready(tmp_path)) == 2
    assert not set(old) & set(ready(tmp_path))


def test_branches_that_nobody_asks_for_lose_their_trees(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    origin.branch("stable/old")
    for build_id, branch in (("b1", "stable/old"), ("b2", "main")):
        check_out(tmp_path, options, Change(PROJECT, ChangeKind.BRANCH, branch), build_id)
        clean_up(tmp_path, options, build_id)
    assert len(ready(tmp_path)) == 4
    used = next(tree.parent / "used" for tree in ready(tmp_path) if tree.parent.name.startswith("stable"))
    os.utime(used, (time.time() - 2 * 86400,) * 2)

    clean_up(tmp_path, options, "b2")

    assert {tree.parent.name for tree in ready(tmp_path)} == {"main"}


def test_without_spare_trees_none_are_made_and_those_there_are_left_to_other_jobs(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    none = evolve(options, spare_trees=0)
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    clean_up(tmp_path, options, "b1")
    stock = ready(tmp_path)

    checkout = check_out(tmp_path, none, change(origin, 2, {"new": "2\n"}), "b2")
    assert ready(tmp_path) == stock
    clean_up(tmp_path, none, "b2")

    assert (checkout.path / "new").read_text() == "2\n"
    assert ready(tmp_path) == stock


def test_cleanups_at_the_same_time_do_not_wait_for_each_other_or_make_too_many(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    check_out(tmp_path, options, change(origin, 1, {"new": "1\n"}), "b1")
    place = next((tmp_path / "state").rglob("used")).parent
    (place / "new-1").mkdir()
    with locked(place / "lock", lambda: None):
        clean_up(tmp_path, options, "b1")
        assert ready(tmp_path) == []
        assert (place / "new-1").exists(), "somebody is making it"

    clean_up(tmp_path, options, "b1")

    assert len(ready(tmp_path)) == 2
    assert list(place.glob("new-*")) == [], "nobody was any more"


def test_a_branch_that_the_mirror_does_not_have_needs_no_stock(
    tmp_path: Path, origin: Repository, options: GitOptions
) -> None:
    asked = evolve(change(origin, 1, {"new": "1\n"}), branch="not/there")

    checkout = check_out(tmp_path, options, asked, "b1")
    clean_up(tmp_path, options, "b1")

    assert (checkout.path / "new").read_text() == "1\n"
    assert ready(tmp_path) == []


@pytest.mark.parametrize("count", [-1, 1000])
def test_a_number_of_trees_beyond_reason_is_a_configuration_error(count: int) -> None:
    with pytest.raises(ValueError, match="spare_trees"):
        GitOptions(spare_trees=count)
