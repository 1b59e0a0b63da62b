"""The way through releases, target branch and change on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from thcore.model import DatasetRun, Execution
from thplugins_dbmigration import messages
from thplugins_dbmigration.walk.release import Fixup, Release

from parts.dataset import write_dataset
from parts.releases import Releases
from parts.servers import open_directory

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(90));
INSERT INTO item VALUES (1, 'spade'), (2, 'rake'), (3, 'rake');
"""
RELEASES = (
    Release("kilo", tag="kilo", fixups=(Fixup("b", sql="fix.sql"),)),
    Release("liberty", branch="liberty", until="d"),
    Release("mitaka", tag="mitaka"),
)


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def only(execution: Execution) -> DatasetRun:
    assert execution.findings == ()
    (run,) = execution.datasets
    return run


@pytest.mark.parametrize("engine", ["mysql", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_three_releases_and_the_target_branch_are_climbed_once(root: Path, engine: str) -> None:
    project = Releases(root)
    project.tree("kilo").revision("a", None).revision("b", "a", "alter table item add column price integer")
    project.tree("kilo").revision("c", "b", "create unique index u on item (name)")
    project.tree("liberty", like="kilo").revision("d", "c", "update item set price = 1")
    project.tree("mitaka", like="liberty").revision("e", "d", "create table other (id integer)")
    project.tree("master", like="mitaka").revision("f", "e", "insert into other values (1)")
    project.tree("change", like="master").revision("g", "f", "update item set price = 2")
    directory = write_dataset(project.datasets, "small", SEED, type=engine, start=["a"])
    (directory / "fix.sql").write_text("delete from item where id = 3;\n")
    first = only(project.gate(*RELEASES))
    assert [(result.leg, messages.way(result.step)) for result in first.steps] == [
        ("release kilo", "a->b"),
        ("release kilo", "b->c"),
        ("release liberty", "c->d"),
        ("release mitaka", "d->e"),
        ("master", "e->f"),
        ("", "f->g"),
    ]
    assert project.prepared() == ["kilo", "liberty", "mitaka", "master"]
    project.starts()
    second = only(project.gate(*RELEASES))
    assert (project.prepared(), project.starts()) == ([], ["change"])
    assert second.final_version == first.final_version == ("g",)
    counters = [run.steps[-1].measurement.counters for run in (first, second) if run.steps[-1].measurement]
    assert counters[0]["XInnodb_rows_changed"] == counters[1]["XInnodb_rows_changed"] is not None
    assert second.conditions == first.conditions
    other = only(project.gate(*RELEASES[:-1], evolve(RELEASES[-1], name="newton")))
    assert [result.from_snapshot for result in other.steps] == [True, True, True, False, False, False]
