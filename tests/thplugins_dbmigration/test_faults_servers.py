"""A disk that is full in the middle of a change's step, and one that a step only speaks of."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.gearman import zuul
from thcore.model import Change, ChangeKind, Execution, Outcome, Severity, Verdict
from thcore.pipeline import verdict
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import DbmigrationOptions

from parts import outcomes
from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.loop import small
from parts.servers import EMBEDDED, MARIADB, SQLITE, Kind, open_directory

SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (name VARCHAR(1900));
"""
WIDE = "x" * 1900  # PostgreSQL packs what is longer
GROWING = f"""
op.execute("insert into item values ('{WIDE}')")
for _ in range(20):  # 2 GB
    op.execute("insert into item select name from item")
"""
COPYING = f"""
op.execute("insert into item values ('{WIDE}')")
for _ in range(16):  # 128 MB
    op.execute("insert into item select name from item")
for number in range(20):
    op.execute(f"create table copy_{{number}} as select * from item")
"""
ALTERING = f"""
op.execute("insert into item values ('{WIDE}')")
for _ in range(16):
    op.execute("insert into item select name from item")
op.execute("alter table item add column n integer, algorithm=copy")
"""
CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def gated(root: Path, kind: Kind, body: str, megabytes: int | None) -> Execution:
    """What the gate makes of a change with this step, whose servers and programs have so much room."""
    trunk = AlembicProject(root / "trunk").revision("a", None)
    change = AlembicProject(root / "change")
    shutil.copy(trunk.file("a"), change.file("a"))
    change.revision("b", "a", body=body)
    write_dataset(root / "datasets", "small", SEED, type=kind.type)
    with (
        make_build(
            root,
            change=CHANGE,
            provide=lambda _revision: trunk.provision(),
            settings=kind.settings,
            build_id=uuid.uuid4().hex,  # its sockets must not be another test run's
        ) as build,
        small(build.workspace.temporary / "datasets", megabytes=megabytes) if megabytes else contextlib.nullcontext(),
    ):
        provision = change.provision()
        options = DbmigrationOptions(datasets=root / "datasets")
        return gate.run(build, options, provision.checkout, provision.environment)


def outcome(execution: Execution) -> Outcome:
    findings = (*execution.findings, *judge(execution.datasets))
    decided, summary = verdict.judge(findings)
    return evolve(outcomes.passing(), verdict=decided, summary=summary, findings=findings, datasets=execution.datasets)


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize(
    ("kind", "body", "megabytes"),
    [
        pytest.param(MARIADB, GROWING, 300, id="mariadb-grows"),
        pytest.param(MARIADB, ALTERING, 420, id="mariadb-alters"),
        pytest.param(EMBEDDED, GROWING, 300, id="postgresql-grows"),
        pytest.param(EMBEDDED, COPYING, 420, id="postgresql-copies"),
        pytest.param(SQLITE, GROWING, 80, id="sqlite-grows"),
        pytest.param(SQLITE, COPYING, 200, id="sqlite-copies"),
    ],
)
def test_a_disk_that_is_full_in_the_middle_of_a_step_is_not_the_changes_fault_and_is_tried_again(
    root: Path, kind: Kind, body: str, megabytes: int
) -> None:
    execution = gated(root, kind, body, megabytes)
    (finding,) = execution.findings
    assert (finding.code, finding.severity) in {
        ("machine-fault", Severity.UNVERIFIED),
        ("server-not-answering", Severity.UNVERIFIED),
        ("server-died", Severity.UNVERIFIED),
    }
    told = "\n".join((finding.message, *finding.evidence))
    assert "the disk is full" in finding.message
    assert re.search(r"error (number )?28\b|No space left on device|B of .* were free in ", told), told
    made = outcome(execution)
    assert made.verdict is Verdict.UNVERIFIED
    answer = json.loads(zuul.final(made, "manager").data)
    assert answer.get("result") is None, "Zuul launches the build again"
    assert not zuul.final(made, "manager").complete


SAYING = {
    "mysql": "signal sqlstate '53100' set mysql_errno = 1114, message_text = 'No space left on device'",
    "postgresql": "do $$ begin raise exception 'No space left on device' using errcode = '53100'; end $$",
}


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED], ids=str)
@pytest.mark.parametrize("by", ["the program", "the server"])
def test_a_step_that_only_speaks_of_a_full_disk_is_the_changes_fault(root: Path, kind: Kind, by: str) -> None:
    said = (
        f"op.execute({SAYING[kind.type]!r})" if by == "the server" else "raise OSError(28, 'No space left on device')"
    )
    execution = gated(root, kind, said, None)
    (finding,) = execution.findings
    assert (finding.code, finding.severity) == ("migration-not-ended", Severity.FAILURE)
    assert "It speaks of a machine that failed (the disk is full)" in "\n".join(finding.evidence)
