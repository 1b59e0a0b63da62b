from __future__ import annotations

import os
from pathlib import Path

import pytest

from thcore.hooks import Workspace
from thcore.worker.evidence import LOG_LIMIT, RESULT_LIMIT, Evidence


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "work" / "b1")
    made.artifacts.mkdir(parents=True)
    return made


def test_result_and_end_of_the_log_are_kept_until_they_are_dropped(tmp_path: Path, workspace: Workspace) -> None:
    (workspace.artifacts / "result.json").write_text("{}")
    workspace.log.write_bytes(b"x" * LOG_LIMIT + b"the end")
    evidence = Evidence(tmp_path / "evidence")

    evidence.keep("b1", 2, workspace)

    kept = evidence.of("b1", 2)
    assert (kept / "result.json").read_text() == "{}"
    log = (kept / "console.log").read_bytes()
    assert len(log) == LOG_LIMIT
    assert log.endswith(b"the end")
    assert evidence.builds() == ("b1",)
    evidence.drop("b1")
    assert evidence.builds() == ()


def test_a_build_cannot_make_the_worker_read_what_it_likes(tmp_path: Path, workspace: Workspace) -> None:
    with (workspace.artifacts / "result.json").open("wb") as huge:
        huge.truncate(RESULT_LIMIT * 1000)
    (tmp_path / "secret").write_text("secret")
    workspace.log.symlink_to(tmp_path / "secret")
    evidence = Evidence(tmp_path / "evidence")

    evidence.keep("b1", 1, workspace)
    assert list(evidence.of("b1", 1).iterdir()) == []

    workspace.log.unlink()
    os.mkfifo(workspace.log)
    evidence.keep("b1", 1, workspace)
    assert (evidence.of("b1", 1) / "console.log").read_bytes() == b""
