"""What ``thcore doctor`` says of where builds are published, and ``thcore evidence prune``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.cli.main import main
from thcore.model import Bytes, Finding, Seconds, Severity
from thcore.testing import make_build
from thplugins_publish_local import publication
from thplugins_publish_local.place import MARK
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes


def checks(tmp_path: Path, *options: PublishLocalOptions) -> list[Finding]:
    return list(plugin.thcore_health(tmp_path / "work", options))


def found(findings: list[Finding]) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in findings]


def test_a_directory_that_takes_builds_is_well_and_stays_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "logs"
    root.mkdir()
    findings = checks(tmp_path, PublishLocalOptions(root, file_mode="0640"))
    assert {finding.severity for finding in findings} == {Severity.INFO}
    assert "takes builds" in findings[0].message
    assert list(root.iterdir()) == []


def test_a_directory_that_can_be_made_is_well(tmp_path: Path) -> None:
    (finding, _) = checks(tmp_path, PublishLocalOptions(tmp_path / "a" / "b"))
    assert "will be made" in finding.message
    assert not (tmp_path / "a").exists()


def test_a_file_in_place_of_the_directory_is_broken(tmp_path: Path) -> None:
    (tmp_path / "logs").touch()
    findings = checks(tmp_path, PublishLocalOptions(tmp_path / "logs"))
    assert found(findings)[0] == ("publish-local-unusable", Severity.UNVERIFIED)
    assert "Not a directory" in findings[0].message


@pytest.mark.parametrize(("key", "kind"), [("owner", "user"), ("group", "group")])
def test_an_owner_or_group_that_is_not_there_is_broken(tmp_path: Path, key: str, kind: str) -> None:
    (tmp_path / "logs").mkdir()
    findings = checks(tmp_path, PublishLocalOptions(tmp_path / "logs", **{key: "no-such-one"}))  # type: ignore[arg-type]
    assert found(findings)[0] == ("publish-local-unusable", Severity.UNVERIFIED)
    assert f"this machine has no {kind} no-such-one" in findings[0].message
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_directory_that_the_worker_empties_is_broken(tmp_path: Path) -> None:
    findings = checks(tmp_path, PublishLocalOptions(tmp_path / "work" / "logs"))
    assert found(findings) == [("publish-local-in-work", Severity.UNVERIFIED)]


def test_jobs_that_do_not_agree_on_what_is_kept_are_told(tmp_path: Path) -> None:
    one, other = (PublishLocalOptions(tmp_path / "logs", keep=Seconds(days * 86400.0)) for days in (30, 90))
    assert ("publish-local-retention", Severity.WARNING) in found(checks(tmp_path, one, other))
    assert ("publish-local-retention", Severity.INFO) in found(checks(tmp_path, one))


def test_what_is_kept_is_said(tmp_path: Path) -> None:
    options = PublishLocalOptions(tmp_path / "logs", keep=Seconds(30 * 86400.0), keep_size=Bytes(2**30))
    assert "keeps builds" in checks(tmp_path, options)[-1].message
    assert "for ever" in checks(tmp_path, PublishLocalOptions(tmp_path / "logs"))[-1].message


CONFIG = """
jobs:
  - name: gate
    plugins:
      git: {base_url: https://opendev.example.org}
      shell: {script: [./check.sh]}
      publish_local: {path: ROOT, keep: 2d}
"""


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    (tmp_path / "thcore.yaml").write_text(CONFIG.replace("ROOT", str(tmp_path / "logs")))
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "-c", str(tmp_path / "thcore.yaml")])
    output = capsys.readouterr()
    assert not caught.value.code, output.err
    return output.out


def old_build(tmp_path: Path) -> Path:
    log_path = "45/1/check/job/b"
    with make_build(tmp_path, log_path=log_path) as build:
        outcome: Any = evolve(outcomes.failing(), build=build.id, log_path=log_path)
        publication.publish(build.workspace.artifacts, tmp_path / "logs", None, log_path, outcome)
    for name in (MARK, "index.html"):
        os.utime(tmp_path / "logs" / log_path / name, (time.time() - 9 * 86400,) * 2)
    return tmp_path / "logs" / log_path


def test_prune_says_what_it_would_remove_and_then_removes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = old_build(tmp_path)
    assert str(directory) in run(tmp_path, capsys, "evidence", "prune", "--dry-run")
    assert directory.exists()
    assert "removed 1 build," in run(tmp_path, capsys, "evidence", "prune")
    assert not directory.exists()
    assert run(tmp_path, capsys, "evidence", "prune", "--dry-run") == f"{tmp_path / 'logs'}: nothing would be removed\n"


def test_prune_says_that_there_is_nothing_to_do_where_all_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "CONFIG", CONFIG.replace(", keep: 2d", ""))
    assert "no job says how long builds are kept" in run(tmp_path, capsys, "evidence", "prune", "--dry-run")


def test_doctor_looks_at_the_directory_of_each_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").mkdir()
    out = run(tmp_path, capsys, "doctor")
    assert f"publish_local: {tmp_path / 'logs'} takes builds" in out
