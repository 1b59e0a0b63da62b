from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from attrs import evolve

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import BuildRequest, Change, ChangeKind, Outcome, Verdict, WorkerInfo
from thcore.worker.courier import failed
from thcore.worker.spool import Spool

CHANGE = Change("example/project", ChangeKind.BRANCH, branch="main")
REQUEST = BuildRequest("b1", "job", CHANGE, {}, "1/check")
AT = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
OUTCOME = Outcome(
    "job", "b1", 2, CHANGE, "1/check", Verdict.SUCCESS, "All checks passed", WorkerInfo("w", "h", "1"), AT, AT
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "work" / "b1")
    (made.artifacts / "datasets").mkdir(parents=True)
    (made.artifacts / "datasets" / "steps.json").write_text("[]")
    made.log.write_text("the log\n")
    return made


def away(*publishers: str) -> Outcome:
    return failed(OUTCOME, publishers, "the target is away")


def test_what_is_put_in_is_there_for_the_next_worker(tmp_path: Path, workspace: Workspace) -> None:
    entry = Spool(tmp_path / "spool").put(REQUEST, away("swift"), ("swift",), workspace)

    again = Spool(tmp_path / "spool")

    assert again.entries() == (entry,)
    assert entry.lost, "its worker did not live to say whether Zuul was answered"
    assert entry.problem == "the target is away"
    assert (again.workspace(entry).artifacts / "datasets" / "steps.json").read_text() == "[]"
    assert again.workspace(entry).log.read_text() == "the log\n"
    assert not workspace.artifacts.exists()
    assert again.size() > len("[]the log\n")


def test_everything_that_is_put_in_is_forced_to_the_disk_before_it_counts(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that dies later must not have left an entry whose evidence is empty."""
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: forced.append(os.fstat(descriptor).st_ino))
    (workspace.artifacts / "link").symlink_to("/etc/passwd")
    os.mkfifo(workspace.artifacts / "pipe")
    spool = Spool(tmp_path / "spool")

    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)

    root = spool.workspace(entry).root
    evidence = [root / "artifacts", *(path for path in (root / "artifacts").rglob("*"))]
    plain = {path.stat().st_ino for path in evidence if not path.is_symlink() and not path.is_fifo()}
    counts = forced.index((root / "entry.json").stat().st_ino)
    assert set(forced[:counts]) == plain
    assert {root.stat().st_ino, root.parent.stat().st_ino} <= set(forced[counts:])


def test_an_entry_goes_when_all_its_publishers_have_it(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    entry = spool.put(REQUEST, away("swift", "local"), ("swift", "local"), workspace)
    spool.release(entry, answered=True)

    left = spool.update(entry, away("swift"))

    assert left is not None
    assert (left.publishers, left.tries) == (("swift",), 1)
    assert Spool(tmp_path / "spool").entries() == (left,)
    assert spool.update(left, OUTCOME) is None
    assert spool.entries() == ()
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_oldest_is_offered_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for number in (1, 2, 3):
        made = Workspace(tmp_path / "work" / str(number))
        made.artifacts.mkdir(parents=True)
        request = evolve(REQUEST, id=f"b{number}")
        spool.release(spool.put(request, evolve(away("swift"), build=f"b{number}"), ("swift",), made), answered=True)

    assert [entry.request.id for entry in Spool(tmp_path / "spool").entries()] == ["b1", "b2", "b3"]


def test_an_entry_that_cannot_be_read_stays_where_it_is(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)
    (spool.workspace(entry).root / "entry.json").write_text("{")

    assert Spool(tmp_path / "spool").entries() == ()
    assert spool.workspace(entry).log.read_text() == "the log\n"


def test_a_disk_that_does_not_take_it_leaves_the_workspace_as_it_was(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("a file")

    with pytest.raises(InfrastructureError, match="cannot keep evidence"):
        spool.put(REQUEST, away("swift"), ("swift",), workspace)

    assert workspace.log.read_text() == "the log\n"


def test_listeners_hear_that_something_waits(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    heard: list[int] = []
    spool.listen(lambda: heard.append(len(spool.entries())))

    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)
    assert (heard, spool.entries()) == ([], ()), "it was offered before anybody knew whether Zuul was answered"
    spool.release(entry, answered=True)

    assert heard == [1]
    assert [waiting.lost for waiting in Spool(tmp_path / "spool").entries()] == [False]


def test_what_was_dropped_while_it_was_offered_stays_dropped(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)
    spool.release(entry, answered=True)
    spool.drop(entry)

    assert spool.update(entry, away("swift")) is None
    assert spool.entries() == ()
    assert list((tmp_path / "spool").iterdir()) == []


def test_evidence_without_its_entry_is_half_an_entry_and_never_published(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)
    (spool.workspace(entry).root / "entry.json").unlink()

    assert Spool(tmp_path / "spool").entries() == ()
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_size_of_a_spool_that_changes_meanwhile_is_no_error(tmp_path: Path, workspace: Workspace) -> None:
    spool = Spool(tmp_path / "spool")
    entry = spool.put(REQUEST, away("swift"), ("swift",), workspace)
    (spool.workspace(entry).artifacts / "dangling").symlink_to("nowhere")

    assert spool.size() > 0
    spool.drop(entry)
    assert spool.size() == 0


def test_a_publisher_that_failed_before_has_one_finding(tmp_path: Path) -> None:
    twice = failed(away("swift", "local"), ("swift",), "still away")

    assert [(found.plugin, found.message) for found in twice.findings] == [
        ("local", "the target is away"),
        ("swift", "still away"),
    ]
