"""What a build tells of the change's steps after it has tried them without rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import InfrastructureError
from thcore.model import Execution, StepResult
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.snapshots import shelf

from parts.dataset import write_dataset
from parts.releases import Releases
from parts.servers import open_directory

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (id integer primary key, name varchar(20));
insert into item values (1, 'spade'), (2, 'rake'), (3, 'rake');
"""


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    """The target branch ends at b; the seed is at a."""
    made = Releases(tmp_path)
    made.tree("master").revision("a", None).revision("b", "a", "alter table item add column price integer")
    made.tree("change", like="master")
    write_dataset(made.datasets, "small", SEED, start=["a"])
    return made


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def steps(execution: Execution) -> dict[str, StepResult]:
    """The steps of the change, by version."""
    (run,) = execution.datasets
    return {result.step.version: result for result in run.steps if not result.leg}


def works(result: StepResult) -> list[tuple[str, str, int | None]]:
    assert result.measurement is not None
    found = [statement.works for statement in result.measurement.statements]
    return [(work.table, work.kind, work.rows) for of_one in found for work in of_one]


def empty_snapshots(project: Releases) -> int:
    records = [shelf.read(path.parent) for path in (project.root / "state").rglob("snapshot.json")]
    return [record.key.kind for record in records if record].count("empty")


def test_a_step_that_the_data_does_not_allow_ends_well_without_rows(project: Releases) -> None:
    project.tree("change").revision("c", "b", "create index i on item (price)")
    project.tree("change").revision("d", "c", "create unique index u on item (name)").revision("e", "d")
    found = steps(project.gate())
    assert [(name, result.result, result.on_empty) for name, result in found.items()] == [
        ("c", "ok", ""),
        ("d", "failed", "ok"),
        ("e", "not-run", ""),
    ]
    assert project.starts() == ["master", "change", "change"]


def test_a_step_that_is_broken_fails_without_rows_as_well(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table itme add column x integer")
    assert steps(project.gate())["c"].on_empty == "failed"


def test_a_step_that_is_not_reached_without_rows_is_not_told_to_end_in_any_way(project: Releases) -> None:
    script = "from alembic import op\nassert op.get_bind().exec_driver_sql('select count(*) from item').scalar()\n"
    project.tree("change").revision("c", "b", body=script)
    project.tree("change").revision("d", "c", "create unique index u on item (name)")
    assert steps(project.gate())["d"].on_empty == ""


def test_the_state_without_rows_is_made_once_for_a_state_of_the_target_branch(project: Releases) -> None:
    for name in ("c", "d"):
        project.tree("change", like="master").revision(name, "b", "create unique index u on item (name)")
        assert steps(project.gate())[name].on_empty == "ok"
        assert empty_snapshots(project) == 1


def test_an_edited_migration_is_tried_from_the_state_before_it(project: Releases) -> None:
    project.tree("change").revision("b", "a", "alter table item add column price integer", "select 2")
    project.tree("change").revision("c", "b", "create unique index u on item (name)")
    assert steps(project.gate())["c"].on_empty == "ok"


def test_a_rehearsal_that_breaks_changes_nothing_but_what_it_would_have_told(
    project: Releases, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise InfrastructureError("no space left", code="server-not-answering")

    monkeypatch.setattr(SQLiteServer, "empty", fail)
    project.tree("change").revision("c", "b", "create unique index u on item (name)")
    execution = project.gate()
    assert [finding.code for finding in execution.findings] == ["migration-not-ended"]
    assert steps(execution)["c"].on_empty == ""
    assert "the rehearsal without rows broke: InfrastructureError: no space left" in project.logs()[-1]
    assert empty_snapshots(project) == 0


def test_a_change_that_only_changes_rows_is_not_rehearsed(project: Releases) -> None:
    project.tree("change").revision("c", "b", "update item set price = 1")
    measurement = steps(project.gate())["c"].measurement
    assert measurement is not None
    assert any("update item" in statement.text for statement in measurement.statements)
    assert empty_snapshots(project) == 0
    assert "without rows" not in project.logs()[-1]


def test_a_table_that_is_replaced_step_by_step_on_sqlite_is_copied(project: Releases) -> None:
    project.tree("change").revision(
        "c",
        "b",
        body="with op.batch_alter_table('item') as batch: batch.alter_column('name', nullable=False)",
    )
    project.tree("change").revision("d", "c", "create index i on item (name)")
    found = steps(project.gate())
    assert works(found["c"]) == [
        ("_alembic_tmp_item", "metadata", 0),
        ("item", "copy", 3),
        ("item", "metadata", 3),
        ("item", "metadata", 3),
    ]
    assert works(found["d"]) == [("item", "index", 3)]


@pytest.mark.system
@pytest.mark.parametrize("engine", [pytest.param("mysql", marks=pytest.mark.slow), "postgresql"])
def test_every_statement_of_a_change_is_told_with_what_it_does_to_tables(root: Path, engine: str) -> None:
    project = Releases(root)
    project.tree("master").revision("a", None).revision("b", "a", "alter table item add column price integer")
    modify = {
        "mysql": "alter table item modify price bigint",
        "postgresql": "alter table item alter column price type bigint",
    }
    project.tree("change", like="master").revision("c", "b", "update item set price = 1")
    project.tree("change").revision("d", "c", "create index i on item (name)", modify[engine])
    project.tree("change").revision("e", "d", "alter table item rename to thing", "drop table thing")
    write_dataset(project.datasets, "small", SEED, start=["a"], type=engine)
    found = steps(project.gate())
    assert works(found["c"]) == []
    assert [(table, kind) for table, kind, _ in works(found["d"])] == [("item", "index"), ("item", "copy")]
    assert [(table, kind) for table, kind, _ in works(found["e"])] == [("thing", "metadata"), ("thing", "metadata")]
    assert [rows for _, _, rows in (*works(found["d"]), *works(found["e"]))] == [3] * 4
    assert empty_snapshots(project) == 1
    assert project.starts() == ["master", "change"]
