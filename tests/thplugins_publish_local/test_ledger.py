from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Outcome
from thcore.model.document import to_json
from thplugins_publish_local import ledger, place

from parts import outcomes
from parts.builds import build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def directory(root: Path) -> Iterator[int]:
    descriptor = os.open(root, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def put(root: Path, path: str, outcome: Outcome) -> None:
    """Evidence as it lies below the root."""
    (root / path).mkdir(parents=True)
    (root / path / "result.json").write_text(to_json(outcome))


def test_builds_are_known_newest_first_wherever_they_are_below(root: Path, directory: int) -> None:
    for number in (2, 1, 3):
        path = f"45/{number}/job/b{number}"
        put(root, path, build(outcomes.failing(), number))
        ledger.noted(directory, path, build(outcomes.failing(), number))

    known = ledger.noted(directory)

    assert [each.path for each in known] == ["45/3/job/b3", "45/2/job/b2", "45/1/job/b1"]
    assert known[0].verdict == "FAILURE"
    assert known[0].change == "example/shop 12345,3"
    assert known[0].started == build(outcomes.failing(), 3).started


def test_a_later_attempt_takes_the_place_of_an_earlier_one(root: Path, directory: int) -> None:
    put(root, "a/b1", build(outcomes.passing(), 1))
    ledger.noted(directory, "a/b1", build(outcomes.failing(), 1))

    (known,) = ledger.noted(directory, "a/b1", build(outcomes.passing(), 1))

    assert known.verdict == "SUCCESS"


def test_a_build_that_was_removed_is_forgotten(root: Path, directory: int) -> None:
    put(root, "a/b1", build(outcomes.passing(), 1))
    ledger.noted(directory, "a/b1", build(outcomes.passing(), 1))
    (root / "a/b1/result.json").unlink()

    assert ledger.noted(directory) == ()
    assert json.loads((root / ledger.FILE).read_text()) == []


@pytest.mark.parametrize("content", [None, "", "{}", "[{]", '[{"path": 3}]', "null", "\udcff"])
def test_a_ledger_that_is_lost_or_broken_begins_with_the_builds_of_the_directory(
    root: Path, directory: int, content: str | None
) -> None:
    put(root, "b1", build(outcomes.passing(), 1))
    put(root, "b2", build(outcomes.failing(), 2))
    put(root, "deep/b3", build(outcomes.failing(), 3))
    put(root, ".b5.0123456789abcdef.part", build(outcomes.failing(), 5))
    (root / "b4").mkdir()
    (root / "b4" / "result.json").write_text("no result")
    if content is not None:
        (root / ledger.FILE).write_bytes(content.encode("utf-8", "surrogateescape"))

    assert [each.path for each in ledger.noted(directory)] == ["b2", "b1"]


def test_a_link_in_the_place_of_the_ledger_is_not_followed(root: Path, directory: int, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("[]")
    (root / ledger.FILE).symlink_to(elsewhere)
    put(root, "b1", build(outcomes.passing(), 1))

    assert [each.path for each in ledger.noted(directory)] == ["b1"]
    assert elsewhere.read_text() == "[]"
    assert not (root / ledger.FILE).is_symlink()


def test_a_ledger_does_not_grow_without_end(root: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "KEPT", 3)
    for number in range(5):
        put(root, f"a/b{number}", build(outcomes.passing(), number))
        ledger.noted(directory, f"a/b{number}", build(outcomes.passing(), number))

    assert [each.path for each in ledger.noted(directory)] == ["a/b4", "a/b3", "a/b2"]


def test_listing_a_directory_reads_no_result_once_the_ledger_is_there(
    root: Path, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, "b1", build(outcomes.passing(), 1))
    before = ledger.noted(directory)
    monkeypatch.delattr(place, "read_document")

    assert ledger.noted(directory) == before
