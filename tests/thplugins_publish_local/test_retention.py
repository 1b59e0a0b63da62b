"""What is kept of what was published, and what is never removed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.testing import make_build
from thplugins_publish_local import directories, place, publication, retention, upkeep
from thplugins_publish_local.keep import Keep
from thplugins_publish_local.place import MARK
from thplugins_publish_local.plugin import PublishLocalOptions, plugin
from thplugins_publish_local.retention import Published, outdated, published, remove, sweep

from parts import outcomes

DAY = 86400.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def put(root: Path, log_path: str, age_s: float = 0.0, size: int = 10) -> Path:
    """Publish a build, as if it had been so long ago."""
    identity = log_path.replace("/", "-")
    with make_build(root.parent, build_id=identity, log_path=log_path) as build:
        (build.workspace.artifacts / "evidence.bin").write_bytes(b"x" * size)
        outcome = evolve(outcomes.failing(), build=identity, log_path=log_path, attempt=1)
        publication.publish(build.workspace.artifacts, root, None, log_path, outcome)
        publication.relist(root, log_path)
    directory = root / log_path
    then = time.time() - age_s
    for name in (MARK, "index.html"):
        os.utime(directory / name, (then, then))
    return directory


def names(builds: Sequence[Published]) -> list[str]:
    return ["/".join(build.names) for build in builds]


def build(name: str, size: int, at: float) -> Published:
    return Published((name,), size, at, 0)


def test_builds_that_are_older_than_they_are_kept_go(root: Path) -> None:
    old, young = put(root, "45/1/check/job/old", 3 * DAY), put(root, "45/1/check/job/young", DAY)
    swept = sweep(root, Keep(age_s=2 * DAY))
    assert (swept.builds, old.exists(), young.exists()) == (1, False, True)
    assert swept.above == {("45", "1", "check", "job")}


def test_the_oldest_builds_go_until_the_rest_is_small_enough() -> None:
    builds = [build("a", 50, 0.0), build("b", 30, 1.0), build("c", 30, 2.0), build("d", 30, 3.0)]
    assert names(outdated(builds, Keep(size=60, at_least_s=0.0), now=10.0)) == ["a", "b"]
    assert outdated(builds, Keep(size=140, at_least_s=0.0), now=10.0) == ()


def test_a_young_build_stays_however_much_there_is() -> None:
    builds = [build("a", 50, 0.0), build("b", 50, 90.0)]
    assert names(outdated(builds, Keep(size=1, at_least_s=20.0), now=100.0)) == ["a"]
    assert names(outdated(builds, Keep(age_s=1.0, at_least_s=20.0), now=100.0)) == ["a"]


def test_a_build_of_the_future_stays(root: Path) -> None:
    put(root, "45/1/check/job/clock", -3 * DAY)
    assert sweep(root, Keep(age_s=1.0, at_least_s=0.0)).builds == 0


def test_the_size_of_a_build_is_that_of_its_files(root: Path) -> None:
    directory = put(root, "45/1/check/job/b", size=100_000)
    files = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file() and path.name != MARK)
    assert [found.size for found in published(root)] == [files]


def test_what_is_not_ours_stays(root: Path, tmp_path: Path) -> None:
    put(root, "45/1/check/job/old", 9 * DAY)
    (root / "front-page").mkdir()
    (root / "front-page" / "index.html").write_text("the operator's own")
    (root / "45" / "1" / "notes.txt").write_text("somebody's notes")
    unmarked = put(root, "45/1/check/job/unmarked", 9 * DAY)
    (unmarked / MARK).unlink()
    for path in (root / "front-page", root / "45" / "1"):
        os.utime(path, (0, 0))

    sweep(root, Keep(age_s=1.0, at_least_s=0.0))

    assert (root / "front-page" / "index.html").exists()
    assert (root / "45" / "1" / "notes.txt").exists()
    assert (unmarked / "result.json").exists()
    assert not (root / "45/1/check/job/old").exists()


def test_a_mark_inside_the_evidence_of_a_build_makes_no_build(root: Path) -> None:
    """A change under test can write any name into its evidence."""
    directory = put(root, "45/1/check/job/b")
    (directory / "inside").mkdir()
    for place_ in (directory / "inside", directory):
        (place_ / MARK).write_text('{"bytes": 1}')
        (place_ / "index.html").write_text("x")
    assert names(published(root)) == ["45/1/check/job/b"]
    (directory / MARK).unlink()
    assert published(root) == ()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"bytes": "many"}', b"\xff" * 10, b" " * 5000])
def test_a_mark_that_cannot_be_read_is_none(root: Path, content: bytes) -> None:
    directory = put(root, "45/1/check/job/b", 9 * DAY)
    (directory / MARK).write_bytes(content)
    sweep(root, Keep(age_s=1.0, at_least_s=0.0))
    assert directory.exists()


def test_evidence_cannot_bring_a_mark_of_its_own(root: Path, tmp_path: Path) -> None:
    with make_build(tmp_path, log_path="45/1/check/job/b") as made:
        (made.workspace.artifacts / MARK).mkdir()
        (made.workspace.artifacts / MARK / "x").write_text("x")
        outcome = evolve(outcomes.failing(), build=made.id, log_path=made.log_path)
        publication.publish(made.workspace.artifacts, root, None, made.log_path, outcome)
    assert json.loads((root / "45/1/check/job/b" / MARK).read_text())["bytes"] > 0


def test_nothing_outside_the_root_goes(root: Path, tmp_path: Path) -> None:
    outside = put(tmp_path / "elsewhere", "45/1/check/job/b", 9 * DAY)
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "45").mkdir()
    (root / "45" / "b").symlink_to(outside)
    sweep(root, Keep(age_s=1.0, at_least_s=0.0))
    assert outside.is_dir()
    assert (root / "45" / "b").is_symlink()


def test_a_root_that_is_a_link_is_the_operator_s_business(root: Path, tmp_path: Path) -> None:
    real = put(tmp_path / "elsewhere", "45/1/check/job/b", 9 * DAY)
    root.symlink_to(tmp_path / "elsewhere")
    assert sweep(root, Keep(age_s=1.0, at_least_s=0.0)).builds == 1
    assert not real.exists()


def test_builds_in_the_making_stay(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    hidden = root / "45/1/check/job" / directories.temporary_name("c")
    hidden.mkdir()
    (hidden / MARK).write_text('{"bytes": 1}')
    (hidden / "index.html").write_text("x")
    for path in (hidden / MARK, hidden / "index.html"):
        os.utime(path, (0, 0))
    sweep(root, Keep(age_s=1.0, at_least_s=0.0))
    assert (hidden / MARK).exists()
    assert hidden.parent.is_dir()


def test_the_page_of_a_running_build_keeps_it_young(root: Path) -> None:
    directory = put(root, "45/1/check/job/b", 9 * DAY)
    os.utime(directory / "index.html")
    assert sweep(root, Keep(age_s=DAY)).builds == 0


def test_a_build_that_was_published_again_since_it_was_seen_stays(root: Path) -> None:
    directory = put(root, "45/1/check/job/b", 9 * DAY)
    (seen,) = published(root)
    put(root, "45/1/check/job/b")
    assert remove(root, seen) is None
    assert directory.is_dir()


def test_a_build_that_is_gone_already_is_no_error(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    (seen,) = published(root)
    assert remove(root, seen) == ()
    assert remove(root, seen) is None


def test_directories_that_hold_nothing_else_go_as_well_and_the_root_stays(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    put(root, "45/2/check/job/c", 9 * DAY)
    (first, second) = sorted(published(root), key=lambda found: found.names)
    assert remove(root, first) == ("45",)
    assert remove(root, second) == ()
    assert sorted(path.name for path in root.iterdir()) == [".builds.json", "index.html"]


def test_a_page_of_the_operator_keeps_its_directory(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    (root / "45" / "index.html").write_text("the operator's own")
    sweep(root, Keep(age_s=1.0, at_least_s=0.0))
    assert (root / "45" / "index.html").read_text() == "the operator's own"


def test_a_build_finds_its_place_when_the_directories_above_go_at_this_moment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "45/1/check/job/old", 9 * DAY)
    opened, gone = directories.open_or_make, []

    def too_late(parent: int, name: str, access: Any) -> int:
        directory = opened(parent, name, access)
        if name == "job" and not gone:
            gone.append(sweep(root, Keep(age_s=1.0, at_least_s=0.0)))
        return directory

    monkeypatch.setattr(place, "open_or_make", too_late)
    put(root, "45/1/check/job/new")
    assert [swept.builds for swept in gone] == [1]
    assert (root / "45/1/check/job/new/result.json").exists()


def test_what_a_dead_sweep_left_half_removed_never_comes_back(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    parent = root / "45/1/check/job"
    (parent / "b").rename(parent / directories.temporary_name("b", "gone"))
    put(root, "45/1/check/job/c")
    assert sorted(path.name for path in parent.iterdir()) == [".builds.json", "c", "index.html"]


def test_there_is_one_look_in_an_hour(root: Path) -> None:
    root.mkdir()
    with retention.turn(root) as first, retention.turn(root) as beside:
        pass
    with retention.turn(root) as again:
        pass
    os.utime(root / ".retention", (0, 0))
    with retention.turn(root) as later:
        pass
    assert (first, beside, again, later) == (True, False, False, True)


def test_a_look_that_runs_out_of_time_removes_what_it_has_found(root: Path) -> None:
    for name in ("a", "b", "c"):
        put(root, f"{name}/1/check/job/b", 9 * DAY)
    left = iter([True] * 7)  # a with its four directories and the build, and one more
    assert names(published(root, lambda: next(left, False))) == ["a/1/check/job/b"]


def test_builds_that_are_kept_no_longer_go_when_another_one_is_published(root: Path, tmp_path: Path) -> None:
    old = put(root, "45/1/check/job/old", 9 * DAY)
    with make_build(tmp_path, log_path="46/1/check/job/new") as made:
        outcome = evolve(outcomes.failing(), build=made.id, log_path=made.log_path)
        plugin.thcore_publish(made, PublishLocalOptions(root, keep=DAY), outcome)  # type: ignore[arg-type] # a number
        log = made.workspace.log.read_text()
    assert not old.exists()
    assert "removed builds that are kept no longer: 1 build," in log
    assert 'href="./45/' not in (root / "index.html").read_text()
    assert (root / "46/1/check/job/new/result.json").exists()


def test_retention_that_fails_costs_no_build_its_publication(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise InfrastructureError("the disk is tired")

    monkeypatch.setattr(upkeep, "look_after", fail)
    with make_build(tmp_path, log_path="46/1/check/job/new") as made:
        outcome = evolve(outcomes.failing(), build=made.id, log_path=made.log_path)
        answer = plugin.thcore_publish(made, PublishLocalOptions(root), outcome)
        assert "could not be removed: the disk is tired" in made.workspace.log.read_text()
    assert answer.url.endswith("/46/1/check/job/new/index.html")


def test_without_a_limit_nothing_is_looked_at(root: Path) -> None:
    put(root, "45/1/check/job/b", 9 * DAY)
    assert upkeep.look_after(PublishLocalOptions(root)).builds == 0
    assert not (root / ".retention").exists()
