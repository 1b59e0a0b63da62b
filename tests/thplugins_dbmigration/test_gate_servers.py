"""The gate on real servers."""

from __future__ import annotations

import re
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Change, ChangeKind, Checkout, Environment, Execution, Severity
from thcore.testing import make_build
from thplugins_dbmigration import gate, messages
from thplugins_dbmigration.engines.sockets import socket_directory
from thplugins_dbmigration.judge import judge
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings
from thplugins_dbmigration.tools.command import CommandOptions

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.servers import open_directory

pytestmark = pytest.mark.system
CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(90));
INSERT INTO item VALUES (1, 'spade'), (2, 'rake'), (3, 'rake');
"""
MANY = "INSERT INTO item SELECT id + {0}, concat(name, id) FROM item;\n"
LARGE = SEED + "".join(MANY.format(3 * 2**power) for power in range(10))
"""3072 rows."""

SETTINGS = """
import os

from sqlalchemy import create_engine

engine = create_engine(os.environ["DATABASE_URL"])
"""
POOLED_ENV = """
from alembic import context

from settings import engine

with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""
"""Its connections stay open from step to step, as those of an application do."""


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


@pytest.fixture
def trunk(root: Path) -> AlembicProject:
    made = AlembicProject(root / "trunk")
    return made.revision("a", None).revision("b", "a", "alter table item add column price integer")


@pytest.fixture
def change(root: Path, trunk: AlembicProject) -> AlembicProject:
    made = AlembicProject(root / "change")
    for name in "ab":
        shutil.copy(trunk.file(name), made.file(name))
    return made


def through_the_gate(root: Path, trunk: AlembicProject, change: AlembicProject) -> Execution:
    with make_build(
        root,
        change=CHANGE,
        provide=lambda _revision: trunk.provision(),
        settings=DbmigrationSettings(),
        state=root / "state",
        build_id=uuid.uuid4().hex,  # its sockets must not be another test run's
    ) as build:
        provision = change.provision()
        options = DbmigrationOptions(datasets=root / "datasets")
        execution = gate.run(build, options, provision.checkout, provision.environment)
        assert not socket_directory(build.id, build.attempt).exists()
        return execution


@pytest.mark.parametrize("engine", ["mysql", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_two_datasets_on_a_real_server_and_one_has_duplicates(
    root: Path, trunk: AlembicProject, change: AlembicProject, engine: str
) -> None:
    write_dataset(root / "datasets", "clean", SEED.replace(", (3, 'rake')", ""), type=engine)
    write_dataset(root / "datasets", "doubled", SEED, type=engine)
    change.revision("c", "b", "update item set price = 1", "create unique index u on item (name)")
    execution = through_the_gate(root, trunk, change)
    (finding,) = execution.findings
    assert (finding.code, finding.severity, finding.location.dataset) == (
        "migration-not-ended",
        Severity.FAILURE,
        "doubled",
    )
    words = {"mysql": r"\[23000\]: \(1062\) Duplicate entry 'rake'", "postgresql": r"\[23505\].*\(name\)=\(rake\)"}
    assert re.search(words[engine], finding.evidence[0])
    clean, doubled = execution.datasets
    assert (clean.final_version, doubled.final_version) == (("c",), ("b",))
    measured = clean.steps[1].measurement
    assert measured is not None
    assert (measured.counters["XInnodb_rows_changed"] or 0) >= 2
    assert "update item set price = 1" in [statement.text for statement in measured.statements]
    failed = doubled.steps[1].measurement
    assert failed is not None
    (statement,) = [statement for statement in failed.statements if statement.error]
    assert statement.text == "create unique index u on item (name)"
    assert statement.error[:5] == {"mysql": "1062 ", "postgresql": "23505"}[engine]
    assert {path.name for path in execution.artifacts[0].path.iterdir()} >= {"server.log", "steps.json"}


@pytest.mark.parametrize("engine", [pytest.param("mysql", marks=pytest.mark.slow), "postgresql"])
def test_a_step_that_reads_and_changes_more_rows_than_allowed_fails(
    root: Path, trunk: AlembicProject, change: AlembicProject, engine: str
) -> None:
    write_dataset(
        root / "datasets",
        "large",
        LARGE,
        type=engine,
        Innodb_rows_read={"default": 3000},
        XInnodb_rows_changed={"default": 3000, "a->b": 100000},
    )
    change.revision("c", "b", "update item set price = 1 where name like '%e%'")
    change.revision("d", "c", "create table other (id integer)")
    execution = through_the_gate(root, trunk, change)
    assert execution.findings == ()
    judged = judge(execution.datasets)
    assert [(finding.code, finding.location.step) for finding in judged if finding.severity is Severity.FAILURE] == [
        ("rows-read-exceeded", "b->c"),
        ("rows-changed-exceeded", "b->c"),
    ]
    assert not any(finding.code == "counter-missing" for finding in judged)


def test_rows_are_counted_when_the_project_keeps_its_connections_open(
    root: Path, trunk: AlembicProject, change: AlembicProject
) -> None:
    write_dataset(root / "datasets", "large", LARGE, type="postgresql", XInnodb_rows_changed={"default": 100000})
    for project in (trunk, change):
        project.env(POOLED_ENV)
        (project.path / "settings.py").write_text(SETTINGS)
    change.revision("c", "b", "update item set price = 1").revision("d", "c", "update item set price = 2 where id < 9")
    execution = through_the_gate(root, trunk, change)
    assert execution.findings == ()
    (dataset,) = execution.datasets
    changed = [step.measurement.counters["tup_updated"] for step in dataset.steps if step.measurement]
    assert changed[1:] == [3072 + 1, 8 + 1]  # and the version


def test_branches_that_merge_are_walked_on_mariadb(root: Path, trunk: AlembicProject, change: AlembicProject) -> None:
    write_dataset(root / "datasets", "small", SEED, type="mysql")
    change.revision("left", "b").revision("right", "b").revision("merge", ["left", "right"])
    execution = through_the_gate(root, trunk, change)
    assert execution.findings == ()
    (run,) = execution.datasets
    assert run.final_version == ("merge",)
    assert messages.way(run.steps[-1].step) == "left+right->merge"


MANAGE = """
import sys, pymysql
connection = pymysql.connect(
    unix_socket=sys.argv[1], user=sys.argv[2], password=sys.argv[3], database=sys.argv[4], autocommit=True
)
cursor = connection.cursor()
if sys.argv[5] == "version":
    cursor.execute("select version from migrate_version")
    print(cursor.fetchone()[0])
else:
    cursor.execute("alter table item add column x%s integer" % sys.argv[6])
    cursor.execute("update migrate_version set version = %s", (sys.argv[6],))
"""


def test_a_program_of_the_project_is_walked_on_mariadb(root: Path) -> None:
    seed = SEED + "CREATE TABLE migrate_version (repository_id VARCHAR(9), version INTEGER);\n"
    write_dataset(
        root / "datasets", "small", seed + "INSERT INTO migrate_version VALUES ('shop', 254);\n", type="mysql"
    )
    checkout = root / "checkout"
    (checkout / "versions").mkdir(parents=True)
    (checkout / "manage.py").write_text(MANAGE)
    for name in ("254_x.py", "255_y.py", "256_z.py"):
        (checkout / "versions" / name).touch()
    program = (sys.executable, "manage.py", "{socket}", "{user}", "{password}", "{database}")
    options = DbmigrationOptions(
        datasets=root / "datasets",
        tool="command",
        command=CommandOptions(
            go=(*program, "sync", "{step}"), current=(*program, "version"), step_files="versions/*.py"
        ),
    )
    with make_build(
        root,
        settings=DbmigrationSettings(),
        state=root / "state",
        change=Change("example/shop", ChangeKind.TAG),
        build_id=uuid.uuid4().hex,
    ) as build:
        execution = gate.run(build, options, Checkout(checkout, "0" * 40), Environment())
    assert execution.findings == ()
    (run,) = execution.datasets
    assert [messages.way(step.step) for step in run.steps] == ["254->255", "255->256"]
    assert all(step.added and step.result == "ok" for step in run.steps)
    assert run.final_version == ("256",)
