"""A policy and a real server: what is limited is what the server did."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Change, ChangeKind, Severity
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings
from thplugins_dbmigration.policy.record import policy_of

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.servers import open_directory

pytestmark = pytest.mark.system
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(90) NOT NULL, city VARCHAR(9));
CREATE TABLE zoo (id INTEGER PRIMARY KEY);
INSERT INTO item VALUES (1, 'spade', 'Bern'), (2, 'rake', 'Basel'), (3, 'hoe', 'Chur');
"""
POLICY = """
dbmigration:
  limits: {copied_rows: 2, writes_wait_s: 600, peak_bytes: 1_000_000_000_000}
  tables: {zoo: {writes_wait_s: 600}}
  allowed_losses:
    - step: b
      table: item
      column: city
      reason: all are in one place
      owner: shop@example.org
      expires: 2999-12-31
"""


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def test_a_table_that_mariadb_copies_goes_above_a_limit_and_the_texts_that_it_empties_are_missed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thplugins_dbmigration.measure.canary.TABLES", 1)  # the one that the policy names
    trunk = AlembicProject(root / "trunk").revision("a", None)
    change = AlembicProject(root / "change")
    shutil.copy(trunk.file("a"), change.file("a"))
    change.revision(
        "b",
        "a",
        "alter table item modify id bigint",
        "update item set name = '' where id < 3",
        "update item set city = 'Bern'",
    )
    (trunk.path / ".thcore.yaml").write_text(POLICY, "utf-8")
    (change.path / ".thcore.yaml").write_text(POLICY, "utf-8")
    write_dataset(root / "datasets", "small", SEED, type="mysql")
    asked = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
    with make_build(
        root,
        change=asked,
        provide=lambda _revision: trunk.provision(),
        settings=DbmigrationSettings(),
        build_id=uuid.uuid4().hex,  # its sockets must not be another test run's
    ) as build:
        provision = change.provision()
        options = DbmigrationOptions(datasets=root / "datasets")
        execution = gate.run(build, options, provision.checkout, provision.environment)

    found = judge(execution.datasets, policy=policy_of(execution.records))
    assert execution.findings == ()
    assert [(finding.code, finding.severity) for finding in found] == [
        ("table-work-exceeded", Severity.FAILURE),
        ("values-emptied", Severity.WARNING),
        ("loss-allowed", Severity.INFO),
    ]
    copied, emptied, allowed = found
    assert "item is copied, a table of 3 rows; the limit is 2 (.thcore.yaml: limits.copied_rows)" in copied.message
    assert any("modify id bigint" in line for line in copied.evidence)
    assert emptied.evidence == ("item.name: 3 -> 1 texts that are not empty",)
    assert allowed.evidence == ("item.city: 3 -> 1: all are in one place",)
    (step,) = execution.datasets[0].steps
    assert step.measurement is not None
    assert step.measurement.unwatched == ("item",)
    values = {limit.counter + limit.table: limit.value for limit in step.limits}
    assert values["copied_rows"] == 3
    assert values["writes_wait_szoo"] is not None
    assert values["writes_wait_s"] is not None
    assert values["peak_bytes"] is not None
