"""The migrated dataset, a fresh install and the project's models, side by side."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from thcore.model import Severity
from thplugins_dbmigration.options import Judge, Weight

from parts.checked import SEED, checked_project, only_check, only_finding
from parts.releases import ENV, Releases

ADD = "alter table item add column note varchar(9)"
INDEX_WHERE_THERE_ARE_ROWS = """
if op.get_bind().exec_driver_sql("select count(*) from item").scalar():
    op.execute("create index by_name on item (name)")
"""


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    return checked_project(tmp_path)


def test_nothing_is_looked_at_that_nobody_asks_for(project: Releases) -> None:
    project.tree("change").revision("c", "b", ADD)
    execution = project.gate()
    assert execution.datasets[0].checks == ()
    assert project.starts() == ["master", "change"]


def test_a_migrated_dataset_that_is_like_a_fresh_install_is_fine_and_the_install_is_made_once(
    project: Releases,
) -> None:
    project.tree("change").revision("c", "b", ADD)
    for starts in (["master", *["change"] * 3], ["change"]):
        execution = project.gate(same_schema=True)
        assert execution.findings == ()
        check = only_check(execution)
        assert (check.name, check.result, check.details) == ("same-schema", "ok", ())
        assert project.starts() == starts


def test_what_only_a_dataset_with_rows_gets_is_told(project: Releases) -> None:
    project.tree("change").revision("c", "b", body=INDEX_WHERE_THERE_ARE_ROWS)
    execution = project.gate(same_schema=True, checks=Weight.FAILURE)
    check = only_check(execution)
    assert (check.result, check.details) == ("failed", ("index item.by_name: only in the migrated dataset: (name)",))
    finding = only_finding(execution)
    assert (finding.code, finding.severity, finding.evidence) == ("schema-differs", Severity.FAILURE, check.details)
    assert only_finding(project.gate(same_schema=True)).severity is Severity.WARNING


def test_what_differs_without_the_change_as_well_is_no_fault_of_it(tmp_path: Path) -> None:
    project = checked_project(tmp_path, seed=SEED.replace("price integer", "price bigint"))
    project.tree("change").revision("c", "b", ADD)
    old = "column item.price: bigint in the migrated dataset, integer in a fresh install"
    execution = project.gate(same_schema=True)
    assert execution.findings == ()
    assert only_check(execution).details == (f"without the change as well: {old}",)
    project.tree("change").revision("c", "b", ADD, body=INDEX_WHERE_THERE_ARE_ROWS)
    check = only_check(project.gate(same_schema=True))
    assert (check.result, len(check.details)) == ("failed", 2)
    assert only_check(project.gate(same_schema=True, judge=Judge.ALL)).details[0] == old


def test_code_that_makes_no_fresh_install_is_no_failure(project: Releases) -> None:
    project.tree("change").revision("c", "b", "insert into item (id) select max(id) + 1 from item where id > 0")
    for name in ("master", "change"):
        project.tree(name).revision("a", None, "alter table nothing add column a integer")
    execution = project.gate(same_schema=True, checks=Weight.FAILURE)
    check, finding = only_check(execution), only_finding(execution)
    assert check.result == "unverified"
    assert check.details[0].startswith("the fresh install of the change failed at base->a: ")
    assert (finding.code, finding.severity) == ("check-not-made", Severity.INFO)


def test_a_change_that_fails_is_not_checked(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table nothing add column a integer")
    execution = project.gate(same_schema=True, round_trip=True)
    assert [(check.name, check.result) for check in execution.datasets[0].checks] == [
        ("same-schema", "unverified"),
        ("round-trip", "unverified"),
    ]
    assert [finding.severity for finding in execution.findings] == [Severity.FAILURE, Severity.INFO, Severity.INFO]


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

models = MetaData()
Table("item", models, Column("id", Integer, primary_key=True), Column("name", String(20)), Column("price", Integer))
Table("other", models, Column("id", Integer, primary_key=True))
"""


def with_models(project: Releases, name: str, more: str = "") -> None:
    """Has env.py name the project's models."""
    env = ENV.replace("connection=connection", "connection=connection, target_metadata=models")
    project.tree(name).env(MODELS + textwrap.dedent(more) + env)


def test_the_models_are_compared_where_they_are_named(project: Releases) -> None:
    project.tree("change").revision("c", "b", ADD)
    for name in ("master", "change"):
        with_models(project, name)
    execution = project.gate(same_schema=True)
    schema, models = execution.datasets[0].checks
    assert (schema.result, models.name, models.result) == ("ok", "same-models", "failed")
    assert models.details == ("column item.note: only in the database",)
    assert only_finding(execution).code == "models-differ"
    with_models(project, "change", 'models.tables["item"].append_column(Column("note", String(9)))')
    assert [check.result for check in project.gate(same_schema=True).datasets[0].checks] == ["ok", "ok"]


def test_models_that_differ_without_the_change_as_well_are_no_fault_of_it(project: Releases) -> None:
    project.tree("change").revision("c", "b", "create index by_name on item (name)")
    for name in ("master", "change"):
        with_models(project, name, 'Table("more", models, Column("id", Integer, primary_key=True))')
    with_models(project, "change", 'Table("more", models, Column("id", Integer, primary_key=True))')
    _, models = project.gate(same_schema=True).datasets[0].checks
    assert models.details == (
        "index item.by_name (name): only in the database",
        "without the change as well: table more: only in the models",
    )
