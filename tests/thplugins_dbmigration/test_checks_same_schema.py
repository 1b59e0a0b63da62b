"""The migrated dataset, a fresh install and the project's models, side by side."""

from __future__ import annotations

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


def test_a_migrated_dataset_that_is_like_a_fresh_install_is_fine_and_the_install_is_made_once(
    project: Releases,
) -> None:
    project.tree("change").revision("c", "b", ADD)
    for starts in (3, 1):  # the second time, only the dataset's
        execution = project.gate(same_schema=True, judge=Judge.ALL)
        assert execution.findings == ()
        check = only_check(execution)
        assert (check.name, check.result, check.details) == ("same-schema", "ok", ())
        assert project.starts() == ["change"] * starts
    assert project.gate(judge=Judge.ALL).datasets[0].checks == ()


def test_what_only_a_dataset_with_rows_gets_is_told(project: Releases) -> None:
    project.tree("change").revision("c", "b", body=INDEX_WHERE_THERE_ARE_ROWS)
    execution = project.gate(same_schema=True, checks=Weight.FAILURE, judge=Judge.ALL)
    check = only_check(execution)
    assert (check.result, check.details) == ("failed", ("index item.by_name: only in the migrated dataset: (name)",))
    finding = only_finding(execution)
    assert (finding.code, finding.severity, finding.evidence) == ("schema-differs", Severity.FAILURE, check.details)


def test_what_differs_without_the_change_as_well_is_no_fault_of_it(tmp_path: Path) -> None:
    project = checked_project(tmp_path, seed=SEED.replace("price integer", "price bigint"))
    project.tree("change").revision("c", "b", ADD)
    old = "column item.price: bigint in the migrated dataset, integer in a fresh install"
    execution = project.gate(same_schema=True)
    assert execution.findings == ()
    check = only_check(execution)
    assert (check.result, check.details) == ("ok", (f"without the change as well: {old}",))
    check = only_check(project.gate(same_schema=True, judge=Judge.ALL))
    assert (check.result, check.details) == ("failed", (old,)), "there is nothing to compare with"


def test_code_that_makes_no_fresh_install_is_no_failure(project: Releases) -> None:
    project.tree("change").revision("a", None, "drop table item").revision("c", "b", ADD)
    execution = project.gate(same_schema=True, checks=Weight.FAILURE, judge=Judge.ALL)
    check, finding = only_check(execution), only_finding(execution)
    assert check.result == "unverified"
    assert check.details[0].startswith("the fresh install of the change failed at base->a: ")
    assert (finding.code, finding.severity) == ("check-not-made", Severity.INFO)


def test_a_change_that_fails_is_not_checked(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table nowhere add column a integer")
    execution = project.gate(same_schema=True, round_trip=True, judge=Judge.ALL)
    assert [(check.name, check.result) for check in execution.datasets[0].checks] == [
        ("same-schema", "unverified"),
        ("round-trip", "unverified"),
    ]
    assert [finding.severity for finding in execution.findings] == [Severity.FAILURE, Severity.INFO, Severity.INFO]


MODELS = """
from sqlalchemy import Column, Integer, MetaData, String, Table

models = MetaData()
price = Column("price", String(5))
Table("item", models, Column("id", Integer, primary_key=True), Column("name", String(20)), price)
Table("other", models, Column("id", Integer, primary_key=True))
Table("more", models, Column("id", Integer, primary_key=True))
"""


def test_the_models_are_compared_where_they_are_named(project: Releases) -> None:
    project.tree("change").revision("c", "b", ADD, "create index by_name on item (name)")
    for name in ("master", "change"):
        project.tree(name).env(
            MODELS + ENV.replace("connection=connection", "connection=connection, target_metadata=models")
        )
    execution = project.gate(same_schema=True)
    schema, models = execution.datasets[0].checks
    assert (schema.name, schema.result) == ("same-schema", "ok")
    assert (models.name, models.result) == ("same-models", "failed")
    assert models.details == (
        "column item.note: only in the database",
        "index item.by_name (name): only in the database",
        "without the change as well: column item.price: type INTEGER in the database, VARCHAR(5) in the models",
        "without the change as well: table more: only in the models",
    )
    finding = only_finding(execution)
    assert (finding.code, finding.severity) == ("models-differ", Severity.WARNING)
