from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest

from thcore.model import Severity
from thplugins_dbmigration.policy.file import FILE, LARGEST
from thplugins_dbmigration.policy.source import Ruling, content, own_ruling, ruling

TODAY = datetime.date(2027, 3, 31)
STRICT = "dbmigration: {limits: {copied_rows: 5}}\n"
LOOSE = "dbmigration: {limits: {copied_rows: 500}}\n"
BROKEN = "dbmigration: {limits: {copied_row: 5}}\n"


def ruled(own: str, theirs: str) -> Ruling:
    return ruling(own, theirs, "main", TODAY)


def codes(found: Ruling) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in found.findings}


def test_the_target_branchs_policy_counts_and_a_change_of_it_is_told() -> None:
    found = ruled(LOOSE, STRICT)

    assert found.policy.limits == {"copied_rows": 5}
    assert codes(found) == {"policy-edited": Severity.INFO}


@pytest.mark.parametrize("text", [STRICT, ""])
def test_nothing_is_said_of_a_policy_that_the_change_leaves_alone(text: str) -> None:
    found = ruled(text, text)

    assert found.policy.limits == ({"copied_rows": 5} if text else {})
    assert codes(found) == {}


def test_a_change_that_takes_the_policy_away_is_judged_by_it() -> None:
    assert ruled("", STRICT).policy.limits == {"copied_rows": 5}


def test_a_change_that_breaks_the_policy_fails_and_is_judged_by_the_one_that_counts() -> None:
    found = ruled(BROKEN, STRICT)

    (finding,) = found.findings
    assert (finding.code, finding.severity) == ("policy-unusable", Severity.FAILURE)
    assert finding.message == ".thcore.yaml of the change cannot be used"
    assert finding.evidence[0].startswith("dbmigration.limits.copied_row: there is no such counter; did you mean")
    assert found.policy.limits == {"copied_rows": 5}


def test_a_broken_policy_of_the_target_is_not_the_changes_fault_and_no_pass() -> None:
    assert codes(ruled(BROKEN, BROKEN)) == {"policy-unusable": Severity.UNVERIFIED}


def test_a_change_that_mends_the_policy_is_judged_by_its_own() -> None:
    found = ruled(LOOSE, BROKEN)

    assert found.policy.limits == {"copied_rows": 500}
    assert codes(found) == {"policy-edited": Severity.WARNING}


def test_a_file_that_rules_alone_is_at_fault_only_where_a_change_brings_it() -> None:
    assert own_ruling(LOOSE, change=True, today=TODAY).policy.limits == {"copied_rows": 500}
    assert codes(own_ruling(BROKEN, change=True, today=TODAY)) == {"policy-unusable": Severity.FAILURE}
    assert codes(own_ruling(BROKEN, change=False, today=TODAY)) == {"policy-unusable": Severity.UNVERIFIED}


def test_an_exception_that_has_expired_is_told() -> None:
    text = (
        "dbmigration: {exceptions: [{step: b, counter: wal_bytes, reason: r, owner: schema-team, expires: 2027-03-31},"
        " {step: c, counter: wal_bytes, reason: r, owner: schema-team, expires: 2027-03-30}]}"
    )
    (finding,) = ruled(text, text).findings

    assert (finding.code, finding.severity) == ("exception-expired", Severity.WARNING)
    assert finding.message == "The exception of wal_bytes for migration c has expired on 2027-03-30"
    assert finding.evidence == ("owner: schema-team", "reason: r")


def test_an_allowed_loss_that_has_expired_is_told() -> None:
    text = (
        "dbmigration: {allowed_losses: [{step: b, table: log, reason: r, owner: schema-team, expires: 2027-03-31},"
        " {step: c, table: log, reason: r, owner: schema-team, expires: 2027-03-30}]}"
    )
    (finding,) = ruled(text, text).findings

    assert (finding.code, finding.severity) == ("exception-expired", Severity.WARNING)
    assert finding.message == "The allowed loss in log for migration c has expired on 2027-03-30"
    assert finding.evidence == ("owner: schema-team", "reason: r")


def test_only_a_plain_file_is_read_and_no_more_than_is_allowed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(LOOSE, "utf-8")
    tree = tmp_path / "tree"
    tree.mkdir()
    assert content(tree) == ""
    (tree / FILE).symlink_to(secret)
    assert content(tree) == ""
    (tree / FILE).unlink()
    os.mkfifo(tree / FILE)
    assert content(tree) == ""
    (tree / FILE).unlink()
    (tree / FILE).mkdir()
    assert content(tree) == ""
    (tree / FILE).rmdir()
    (tree / FILE).write_bytes(b"#" * (LARGEST * 2))
    assert len(content(tree)) == LARGEST + 1
    (tree / FILE).write_bytes(b"\xff\xfe")
    assert codes(own_ruling(content(tree), change=True, today=TODAY)) == {"policy-unusable": Severity.FAILURE}
