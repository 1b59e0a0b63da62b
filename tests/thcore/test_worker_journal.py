from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.model import BuildRequest, Change, ChangeKind
from thcore.worker.journal import AttemptEntry, BuildEntry, Journal

REQUEST = BuildRequest(
    "b1", "job", Change("example/project", ChangeKind.BRANCH, branch="main"), {"ZUUL_PIPELINE": "check"}, "1/check"
)
BUILD = BuildEntry(REQUEST, "build:job", '{"ZUUL_PROJECT": "example/project"}')
LONG_AGO = time.time() - 400 * 86400


def begun(journal: Journal, build: BuildEntry = BUILD, attempts: int = 1) -> BuildEntry:
    for _ in range(attempts):
        build = journal.begin(build, AttemptEntry(build.next_attempt, "/srv/work/x", began=1.0))
    return build


def age(directory: Path, when: float = LONG_AGO) -> None:
    for path in directory.rglob("*.json"):
        os.utime(path, (when, when))


def test_a_build_that_began_is_found_again_as_it_was(tmp_path: Path) -> None:
    build = begun(Journal.of(tmp_path), attempts=2)

    assert Journal.of(tmp_path).build("b1") == build
    assert [entry.attempt for entry in build.attempts] == [1, 2]


def test_a_build_that_nobody_knows_is_none(tmp_path: Path) -> None:
    assert Journal.of(tmp_path).build("b1") is None


def test_an_attempt_is_unfinished_until_its_end_is_noted(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    begun(journal, attempts=2)
    assert [attempt.attempt for _, attempt in journal.unfinished()] == [1, 2]

    journal.judge("b1", 1, "UNVERIFIED", "the disk was full")

    assert [attempt.verdict for _, attempt in journal.unfinished()] == ["UNVERIFIED", None]
    journal.end("b1", 1, answered=True)
    assert [attempt.attempt for _, attempt in journal.unfinished()] == [2]
    ended = journal.build("b1")
    assert ended is not None
    assert (ended.attempts[0].verdict, ended.attempts[0].summary) == ("UNVERIFIED", "the disk was full")
    assert ended.attempts[0].answered


def test_numbers_of_attempts_are_never_used_twice_and_a_pardon_sets_the_count_back(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    build = begun(journal, attempts=3)
    journal.quarantine(build, "too often")
    assert [entry.quarantined for entry in journal.quarantined()] == ["too often"]

    Journal.of(tmp_path).pardon("b1")  # what another process does

    pardoned = journal.build("b1")
    assert pardoned is not None
    assert (pardoned.deliveries, pardoned.next_attempt, pardoned.quarantined) == (0, 4, None)
    assert journal.quarantined() == ()
    assert begun(journal, pardoned).deliveries == 1


def test_a_pardoned_build_can_be_quarantined_again(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    journal.quarantine(begun(journal, attempts=3), "too often")
    journal.pardon("b1")
    pardoned = journal.build("b1")
    assert pardoned is not None

    journal.quarantine(begun(journal, pardoned, attempts=3), "and again")

    again = journal.build("b1")
    assert again is not None
    assert (again.quarantined, again.deliveries) == ("and again", 3)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"request": 1}', "\0" * 100])
def test_a_file_that_is_broken_is_put_aside_and_the_worker_goes_on(tmp_path: Path, text: str) -> None:
    journal = Journal.of(tmp_path)
    (tmp_path / "journal" / "b1.json").write_text(text)

    assert journal.build("b1") is None
    assert list(journal.unfinished()) == []
    assert (tmp_path / "journal" / "b1.json.unreadable").read_text() == text
    assert begun(journal).next_attempt == 2


def test_old_builds_are_forgotten_and_quarantined_and_unfinished_ones_are_not(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    names = ("done", "unfinished", "quarantined")
    for name in names:
        begun(journal, evolve(BUILD, request=evolve(REQUEST, id=name)))
        if name != "unfinished":
            journal.judge(name, 1, "SUCCESS", "")
            journal.end(name, 1, answered=True)
    found = journal.build("quarantined")
    assert found is not None
    journal.quarantine(found, "too often")
    age(tmp_path, time.time() - 8 * 86400)

    journal.forget()

    assert [name for name in names if journal.build(name)] == ["unfinished", "quarantined"]
    age(tmp_path)
    journal.forget()
    assert [name for name in names if journal.build(name)] == ["unfinished"]


def test_a_disk_that_takes_nothing_is_the_operators_to_mend(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    (tmp_path / "journal").rename(tmp_path / "elsewhere")

    with pytest.raises(InfrastructureError, match="cannot write the journal"):
        begun(journal)


def test_what_was_half_written_when_a_worker_died_is_removed(tmp_path: Path) -> None:
    journal = Journal.of(tmp_path)
    begun(journal)
    (tmp_path / "journal" / "b1.json.part").write_text("{")

    journal.tidy()

    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["b1.json"]


def test_what_a_file_holds_is_json_that_a_person_can_read(tmp_path: Path) -> None:
    begun(Journal.of(tmp_path))

    document = json.loads((tmp_path / "journal" / "b1.json").read_text())

    assert document["request"]["change"]["project"] == "example/project"
    assert document["arguments"] == BUILD.arguments
