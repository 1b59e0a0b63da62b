from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thcore.errors import InfrastructureError
from thcore.model import (
    Checkout,
    DatasetRun,
    Environment,
    Measurement,
    Provision,
    Revision,
    Severity,
    Step,
    StepResult,
)
from thcore.testing import make_build
from thcore.testing.build import ProvidedBuild
from thplugins_dbmigration.options import DbmigrationOptions, PolicyFrom
from thplugins_dbmigration.policy import source
from thplugins_dbmigration.policy.file import FILE, LARGEST, Policy
from thplugins_dbmigration.policy.source import Ruling, content, ruling

TODAY = datetime.date(2027, 3, 31)
STRICT = "dbmigration: {limits: {copied_rows: 5}}\n"
LOOSE = "dbmigration: {limits: {copied_rows: 500}}\n"
BROKEN = "dbmigration: {limits: {copied_row: 5}}\n"
JUDGED = StepResult(Step("b"), added=True, result="ok", measurement=Measurement(1.0))
RAN = DatasetRun("small", "sqlite", "3", "f" * 64, "alembic", steps=(JUDGED,))


class Trees:
    """A change and its target branch, each with a policy file or none."""

    def __init__(self, root: Path, change: str | None, target: str | None) -> None:
        self.root = root
        self.change, self.target = self._tree("change", change), self._tree("target", target)
        self.provided: list[Revision] = []

    def _tree(self, name: str, policy: str | None) -> Checkout:
        tree = self.root / name
        tree.mkdir()
        if policy is not None:
            (tree / FILE).write_text(policy, "utf-8")
        return Checkout(tree, "c" * 40 if name == "change" else "d" * 40)

    def provide(self, revision: Revision) -> Provision:
        self.provided.append(revision)
        return Provision(self.target, Environment())

    @contextmanager
    def build(self) -> Iterator[ProvidedBuild]:
        with make_build(self.root, provide=self.provide, resolve=lambda _revision: self.target.commit) as build:
            yield build

    def ruling(self, *, branch: str | None = "main", policy_from: PolicyFrom = PolicyFrom.TARGET) -> Ruling:
        options = DbmigrationOptions(datasets=self.root, policy_from=policy_from)
        with self.build() as build:
            return ruling(build, options, self.change, branch, TODAY)


def codes(found: Ruling) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in found.told([RAN])}


def test_the_target_branchs_policy_counts_and_a_change_of_it_is_told(tmp_path: Path) -> None:
    found = Trees(tmp_path, LOOSE, STRICT).ruling()

    assert found.policy.limits == {"copied_rows": 5}
    assert codes(found) == {"policy-edited": Severity.INFO}


def test_nothing_is_said_of_a_policy_that_the_change_leaves_alone(tmp_path: Path) -> None:
    for number, text in enumerate((STRICT, None)):
        (tmp_path / str(number)).mkdir()
        found = Trees(tmp_path / str(number), text, text).ruling()

        assert found.policy.limits == ({"copied_rows": 5} if text else {})
        assert codes(found) == {}


def test_a_change_that_takes_the_policy_away_is_judged_by_it(tmp_path: Path) -> None:
    assert Trees(tmp_path, None, STRICT).ruling().policy.limits == {"copied_rows": 5}


def test_the_changes_own_policy_counts_where_the_job_allows_it_or_there_is_no_target(tmp_path: Path) -> None:
    trees = Trees(tmp_path, LOOSE, STRICT)

    assert trees.ruling(policy_from=PolicyFrom.CHANGE).policy.limits == {"copied_rows": 500}
    assert trees.ruling(branch=None).policy.limits == {"copied_rows": 500}
    assert trees.provided == []


def test_the_work_tree_of_a_commit_of_the_target_is_made_once(tmp_path: Path) -> None:
    trees = Trees(tmp_path, STRICT, STRICT)

    assert trees.ruling() == trees.ruling()
    assert trees.provided == [Revision(branch="main")]


def test_only_the_policies_of_the_latest_commits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST_KEPT", 3)
    trees = Trees(tmp_path, STRICT, STRICT)
    for number in range(5):
        trees.target = Checkout(trees.target.path, str(number) * 40)
        trees.ruling()
    with trees.build() as build:
        kept = sorted(path.name[0] for path in (build.state / source.KEPT).iterdir())

    assert kept == ["2", "3", "4"]


def test_a_change_that_breaks_the_policy_fails(tmp_path: Path) -> None:
    found = Trees(tmp_path, BROKEN, STRICT).ruling()

    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("policy-unusable", Severity.FAILURE)
    assert finding.message == ".thcore.yaml of the change cannot be used"
    assert finding.evidence[0].startswith("dbmigration.limits.copied_row: there is no such counter; did you mean")
    assert found.policy.limits == {"copied_rows": 5}


def test_a_broken_policy_of_the_target_is_not_the_changes_fault_and_no_pass(tmp_path: Path) -> None:
    assert codes(Trees(tmp_path, BROKEN, BROKEN).ruling()) == {"policy-unusable": Severity.UNVERIFIED}


def test_a_change_that_mends_the_policy_is_judged_by_its_own(tmp_path: Path) -> None:
    found = Trees(tmp_path, LOOSE, BROKEN).ruling()

    assert found.policy.limits == {"copied_rows": 500}
    assert codes(found) == {"policy-edited": Severity.WARNING}


def test_a_target_that_cannot_be_had_is_told_where_a_step_was_judged_without_its_policy(tmp_path: Path) -> None:
    class Away(Trees):
        def provide(self, revision: Revision) -> Provision:
            raise InfrastructureError(f"the mirror of {revision} is away", code="fetch-failed")

    found = Away(tmp_path, STRICT, STRICT).ruling()

    assert codes(found) == {"policy-unusable": Severity.UNVERIFIED}
    assert found.told([]) == ()


def test_an_exception_that_has_expired_is_told(tmp_path: Path) -> None:
    text = (
        "dbmigration: {exceptions: [{step: b, counter: wal_bytes, reason: r, owner: dana, expires: 2027-03-31},"
        " {step: c, counter: wal_bytes, reason: r, owner: dana, expires: 2027-03-30}]}"
    )
    (finding,) = Trees(tmp_path, text, text).ruling().findings

    assert (finding.code, finding.severity) == ("exception-expired", Severity.WARNING)
    assert finding.message == "The exception of wal_bytes for migration c has expired on 2027-03-30"
    assert finding.evidence == ("owner: dana", "reason: r")


def test_only_a_plain_file_is_read_and_no_more_than_is_allowed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(LOOSE, "utf-8")
    tree = tmp_path / "tree"
    tree.mkdir()
    assert content(tree) == b""
    (tree / FILE).symlink_to(secret)
    assert content(tree) == b""
    (tree / FILE).unlink()
    os.mkfifo(tree / FILE)
    assert content(tree) == b""
    (tree / FILE).unlink()
    (tree / FILE).mkdir()
    assert content(tree) == b""
    (tree / FILE).rmdir()
    (tree / FILE).write_bytes(b"#" * (LARGEST * 2))
    assert len(content(tree)) == LARGEST + 1


def test_a_ruling_says_nothing_by_itself() -> None:
    assert Ruling() == Ruling(Policy())
    assert Ruling().told([RAN]) == ()
