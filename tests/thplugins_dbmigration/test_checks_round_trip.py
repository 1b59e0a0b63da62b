"""Down and up again."""

from __future__ import annotations

from pathlib import Path

import pytest

from thcore.model import Check, Severity
from thplugins_dbmigration.options import Judge

from parts.checked import checked_project, only_check, only_finding
from parts.releases import Releases


@pytest.fixture
def project(tmp_path: Path) -> Releases:
    return checked_project(tmp_path)


def round_trip(project: Releases) -> Check:
    return only_check(project.gate(round_trip=True, judge=Judge.ALL))


def test_steps_that_are_undone_are_fine(project: Releases) -> None:
    tree = project.tree("change")
    tree.revision("c", "b", "alter table item add column note text", back=["alter table item drop column note"])
    swap = "update item set price = 40 - price, note = random()"
    tree.revision("d", "c", swap, back=[swap])
    execution = project.gate(round_trip=True, judge=Judge.ALL)
    assert execution.findings == ()
    check = only_check(execution)
    assert (check.name, check.result, check.details) == ("round-trip", "ok", ())
    assert project.starts() == ["change"] * 4, "measured, up, down, up"


def test_all_that_is_not_undone_is_listed(project: Releases) -> None:
    project.tree("change").revision(
        "c",
        "b",
        "insert into other values (1)",
        "update item set price = 40 - price",
        "alter table item drop column name",
        "create index by_price on item (price)",
        back=["alter table item add column name varchar(20)"],
    )
    execution = project.gate(round_trip=True, judge=Judge.ALL)
    check = only_check(execution)
    assert check.result == "failed"
    assert check.details[:-1] == (
        "index item.by_price: only after going back: (price)",
        "column item.name: other values after going back than before",
        "column item.price: other values after going back than before",
        "table other: 0 rows before, 1 after going back",
    )
    assert check.details[-1].startswith("b->c fails when it is run again: ")
    finding = only_finding(execution)
    assert (finding.code, finding.severity) == ("round-trip-differs", Severity.WARNING)


@pytest.mark.slow
def test_what_is_otherwise_the_second_time_is_told(project: Releases) -> None:
    project.tree("change").revision(
        "c",
        "b",
        "create table if not exists kept (id integer)",
        "insert into kept values (1)",
        "update item set price = (select count(*) from kept)",
        back=["update item set price = 10 * id"],
    )
    assert set(round_trip(project).details) == {
        "table kept: only after going back",
        "column item.price: other values the second time than the first time",
    }


def test_a_migration_that_cannot_be_taken_back_is_no_failure(project: Releases) -> None:
    project.tree("change").revision("c", "b", "select 1", back="raise NotImplementedError('we only look ahead')")
    execution = project.gate(round_trip=True, judge=Judge.ALL)
    check, finding = only_check(execution), only_finding(execution)
    assert (check.result, check.details) == (
        "unverified",
        ("the migration cannot be taken back: NotImplementedError: we only look ahead",),
    )
    assert (finding.code, finding.severity) == ("check-not-made", Severity.INFO)


@pytest.mark.slow
def test_a_migration_that_has_no_way_back_is_no_failure(project: Releases) -> None:
    project.tree("change").revision("c", "b", "select 1")
    assert round_trip(project).result == "unverified"


def test_going_back_that_fails_is_told_with_its_last_words(project: Releases) -> None:
    project.tree("change").revision("c", "b", "alter table item add column note text", back=["drop table nowhere"])
    check = round_trip(project)
    assert check.result == "failed"
    assert check.details[0].startswith("going back fails: sqlalchemy.exc.OperationalError: ")
    assert check.details[0].endswith("no such table: nowhere")


@pytest.mark.slow
def test_only_the_steps_from_the_first_one_of_the_change_on_are_taken_back(project: Releases) -> None:
    for name in ("master", "change"):
        project.tree(name).revision("c", "b", "create table third (id integer)").revision("d", "c")
    tree = project.tree("change").revision("e", "d", "create table fourth (id integer)", back=["drop table fourth"])
    tree.revision("d", "c", "create table edited (id integer)", back=["drop table edited"])
    execution = project.gate(round_trip=True)
    assert [finding.code for finding in execution.findings] == ["step-edited"]
    assert only_check(execution).result == "ok", "the third has no way back"
