"""What a project has."""

from __future__ import annotations

from pathlib import Path

import pytest

from thcore.model import Measurement, Statement, Step, StepResult, TableWork
from thplugins_dbmigration.schema import Part
from thplugins_dbmigration.walk.inventory import Inventory, with_files


def test_tables_of_all_schemas_are_known_with_all_columns_that_they_ever_had() -> None:
    before = {Part("table", "item"): "", Part("column", "item", "price"): "", Part("view", "dear"): ""}
    after = {Part("table", "item"): "", Part("column", "item", "cost"): "", Part("table", "shelf"): ""}
    found = Inventory.of_schema(before) | Inventory.of_schema(after)
    assert found.tables == {"item": {"price", "cost"}, "shelf": set()}


def test_a_materialized_view_is_known_because_a_step_can_rebuild_it_and_a_view_is_not() -> None:
    found = Inventory.of_schema(
        {
            Part("view", "totals"): "materialized SELECT 1",
            Part("view", "dear"): "SELECT 1",
            Part("column", "dear", "price"): "",
        }
    )
    assert found.tables == {"totals": frozenset()}


def test_a_table_that_is_made_and_dropped_in_one_step_is_known_by_what_was_done_to_it() -> None:
    copied = Statement("insert …", 0.0, 1.0, works=(TableWork("item_new", "copy"),))
    result = StepResult(Step("b", ("a",)), added=True, result="ok", measurement=Measurement(1.0, statements=(copied,)))
    found = Inventory.of_steps([result])
    assert found.tables.keys() == {"item_new"}
    assert found.steps == {"a->b", "b"}
    assert found.settled == frozenset()


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("0151_add.py", "", "150->151"),
        ("0002_more.py", "", "shop.0002_more"),
        ("add.py", "revision = 'abc123'", "abc123"),
    ],
)
def test_a_file_beside_a_known_step_tells_of_one_that_no_dataset_runs(
    file: str, text: str, name: str, tmp_path: Path
) -> None:
    known = StepResult(Step("x", path="versions/x.py"), added=False, result="ok")
    (tmp_path / "versions").mkdir()
    assert with_files(tmp_path, [known], [name]) == frozenset()
    (tmp_path / "versions" / file).write_text(text, "utf-8")
    assert with_files(tmp_path, [known], [name, "nothing", "15", "a->"]) == {name}


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("auth/migrations/0007_wider.py", "", "auth.0007_wider"),
        ("shop/db/versions/add.py", "revision = 'abc123'", "abc123"),
        ("shop/migrate_repo/versions/0151_add.py", "", "151"),
    ],
)
def test_a_step_is_known_by_its_file_where_no_step_beside_it_is(
    file: str, text: str, name: str, tmp_path: Path
) -> None:
    assert with_files(tmp_path, (), [name]) == frozenset()
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text, "utf-8")
    assert with_files(tmp_path, (), [name, "nothing"]) == {name}


def test_files_outside_of_the_checkout_tell_nothing(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "0151_add.py").touch()
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "versions").symlink_to(elsewhere)
    known = StepResult(Step("x", path="versions/x.py"), added=False, result="ok")
    assert with_files(tmp_path / "checkout", [known], ["151"]) == frozenset()
