"""What is remembered of a way, and how a change's files compare with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thcore.errors import InfrastructureError
from thcore.model import Measurement, Step, StepResult
from thplugins_dbmigration.walk.release import Fixup
from thplugins_dbmigration.walk.sources import Sources
from thplugins_dbmigration.walk.trail import Trail

FIRST = Step("a", (), "first", "versions/a.py")
SECOND = Step("b", ("a",), "second", "versions/b.py")
ELSEWHERE = Step("x", (), path=None, chain="fab")
RESULTS = tuple(
    StepResult(step, added=False, result="ok", measurement=Measurement(0.5, {"rows": 3, "bytes": None}), leg="main")
    for step in (FIRST, SECOND, ELSEWHERE)
)


def checkout(root: Path, **texts: str) -> Sources:
    (root / "versions").mkdir(parents=True)
    for name, text in texts.items():
        (root / "versions" / f"{name}.py").write_text(text)
    return Sources(root)


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    trunk = checkout(tmp_path / "trunk", a="one", b="two")
    versions = {"": ("b",), "fab": ("x",)}
    return Trail(
        {"": ()}, versions, RESULTS, trunk.digests({"versions/a.py", "versions/b.py"}), (Fixup("a", command=("true",)),)
    )


def test_a_trail_comes_back_from_the_notes_of_a_snapshot_and_says_so(trail: Trail) -> None:
    found = Trail.of(json.loads(json.dumps(trail.notes)))
    assert (found.start, found.versions, found.files, found.fixups) == (
        trail.start,
        trail.versions,
        trail.files,
        trail.fixups,
    )
    assert [result.step for result in found.steps] == [FIRST, SECOND, ELSEWHERE]
    assert found.steps[0].measurement == RESULTS[0].measurement
    assert all(result.from_snapshot for result in found.steps)


def test_notes_of_something_else_are_no_trail() -> None:
    with pytest.raises(InfrastructureError, match="cannot be read"):
        Trail.of({"steps": 3})


def test_a_change_with_the_same_files_edits_and_lacks_nothing(trail: Trail, tmp_path: Path) -> None:
    change = checkout(tmp_path / "change", a="one", b="two", c="three")
    assert (trail.edited(change), trail.lacking(change)) == ((), ())
    assert trail.knows(SECOND)
    assert not trail.knows(Step("c", ("b",), path="versions/c.py"))


def test_a_file_with_another_content_is_edited_and_a_missing_one_lacking(trail: Trail, tmp_path: Path) -> None:
    change = checkout(tmp_path / "change", b="other")
    assert (trail.edited(change), trail.lacking(change)) == ((SECOND,), (FIRST,))


def test_a_file_that_is_renamed_is_lacking_but_its_step_is_not_edited(trail: Trail, tmp_path: Path) -> None:
    change = checkout(tmp_path / "change", a="one", b_second="two")
    renamed = Step("b", ("a",), path="versions/b_second.py")
    assert trail.lacking(change) == (SECOND,)
    assert trail.knows(renamed)
    assert not trail.edits(renamed, change)


def test_a_version_of_another_chain_is_another_step(trail: Trail) -> None:
    assert not trail.knows(Step("x"))
    assert trail.knows(Step("x", chain="fab"))
