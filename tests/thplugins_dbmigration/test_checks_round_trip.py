"""Down and up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from thcore.model import Severity
from thplugins_dbmigration.options import Judge

from parts.checked import checked_project, only_check, only_finding
from parts.releases import Releases


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    return checked_project(tmp_path)


def test_steps_that_are_undone_are_fine(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision("c", "b", "alter table item add column note text", back=["alter table item drop column note"])
    tree.revision("d", "c", "update item set note = random()", back=["update item set note = null"])
    execution = project.gate(round_trip=True)
    assert execution.findings == ()
    check = only_check(execution)
    assert (check.name, check.result, check.details) == ("round-trip", "ok", ())
    assert project.starts() == ["master", *["change"] * 4]


def test_data_that_does_not_come_back_is_listed_by_column(project: Releases) -> None:
    project.tree("change").revision(
        "c", "b", "alter table item drop column price", back=["alter table item add column price integer"]
    )
    execution = project.gate(round_trip=True)
    check = only_check(execution)
    assert (check.result, check.details) == (
        "failed",
        ("column item.price: other values after going back than before",),
    )
    finding = only_finding(execution)
    assert (finding.code, finding.severity) == ("round-trip-differs", Severity.WARNING)


def test_a_value_in_another_row_is_another_value(project: Releases) -> None:
    swap = "update item set price = 40 - price"
    project.tree("change").revision("c", "b", swap, back=[])
    assert only_check(project.gate(round_trip=True)).details == (
        "column item.price: other values after going back than before",
    )
    project.tree("change").revision("c", "b", swap, back=[swap])
    assert only_check(project.gate(round_trip=True)).result == "ok"


def test_rows_and_parts_of_the_schema_that_stay_are_told(project: Releases) -> None:
    project.tree("change").revision(
        "c", "b", "create index by_name on item (name)", "insert into item (id) select max(id) + 1 from item", back=[]
    )
    details = only_check(project.gate(round_trip=True)).details
    assert details[:2] == (
        "index item.by_name: only after going back: (name)",
        "table item: 3 rows before, 4 after going back",
    )
    assert details[2].startswith("b->c fails when it is run again: ")


def test_what_is_otherwise_the_second_time_is_told(project: Releases) -> None:
    project.tree("change").revision(
        "c",
        "b",
        "create table if not exists kept (id integer)",
        "insert into kept values (1)",
        "update item set price = (select count(*) from kept)",
        back=["update item set price = 10 * id"],
    )
    assert set(only_check(project.gate(round_trip=True)).details) == {
        "table kept: only after going back",
        "column item.price: other values the second time than the first time",
    }


@pytest.mark.parametrize("back", ["raise NotImplementedError('we only look ahead')", None])
def test_a_migration_that_cannot_be_taken_back_is_no_failure(project: Releases, back: str | None) -> None:
    project.tree("change").revision("c", "b", "alter table item add column note text", back=back)
    execution = project.gate(round_trip=True)
    check, finding = only_check(execution), only_finding(execution)
    assert check.result == "unverified"
    assert check.details[0].startswith("the migration cannot be taken back: ")
    assert (finding.code, finding.severity) == ("check-not-made", Severity.INFO)


def test_going_back_that_fails_is_told_with_its_last_words(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table item add column note text", back=["drop table nothing"])
    check = only_check(project.gate(round_trip=True))
    assert check.result == "failed"
    assert check.details[0] == "going back fails: exit status 1"
    assert any("no such table: nothing" in line for line in check.details)


def test_only_the_steps_from_the_first_one_of_the_change_on_are_taken_back(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision(
        "b", "a", "create table other (id integer not null primary key, more text)", back=["drop table other"]
    )
    tree.revision("c", "b", "create table third (id integer)", back=["drop table third"])
    assert only_check(project.gate(round_trip=True)).result == "ok"
    assert only_check(project.gate(round_trip=True, judge=Judge.ALL)).result == "ok"
