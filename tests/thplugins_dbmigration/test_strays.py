"""Names in a project's policy that are nobody's."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from thcore.model import Severity, Step, StepResult
from thplugins_dbmigration.policy.file import Policy, parse
from thplugins_dbmigration.strays import LOOKED_AT, strays
from thplugins_dbmigration.walk.inventory import Inventory

TODAY = datetime.date(2027, 3, 31)
RESULTS = (
    StepResult(Step("9f3c1b7a2d10", ("1ae3",), path="versions/x.py"), added=False, result="ok"),
    StepResult(Step("77aa01b2c3d4", ("9f3c1b7a2d10",), path="versions/y.py"), added=True, result="ok"),
)
THERE = Inventory({"orders": frozenset({"id", "city"}), "order_items": frozenset({"id"})}) | Inventory.of_steps(RESULTS)
OWNED = "reason: it is so, owner: us, expires:"


def policy(text: str) -> Policy:
    found = parse(f"dbmigration: {text}")
    assert isinstance(found, Policy), found
    return found


def told(text: str, checkout: Path) -> tuple[str, ...]:
    return tuple(line for found in strays(policy(text), THERE, RESULTS, checkout, TODAY) for line in found.evidence)


def test_a_misspelt_table_is_told_with_its_key_and_those_that_are_like_it(tmp_path: Path) -> None:
    (finding,) = strays(policy("{tables: {ordrs: {copied_rows: 5}}}"), THERE, RESULTS, tmp_path, TODAY)

    assert (finding.code, finding.severity, finding.location.path) == (
        "policy-name-unknown",
        Severity.WARNING,
        ".thcore.yaml",
    )
    said = "no dataset of this job has a table ordrs; did you mean orders or order_items?"
    assert finding.message == f".thcore.yaml: dbmigration.tables.ordrs: {said}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "{tables: {Orders: {copied_rows: 1}}}",
            "tables.Orders: no dataset of this job has a table Orders; did you mean",
        ),
        ("{small_tables: [orders, xyz]}", "small_tables[1]: no dataset of this job has a table xyz"),
        (
            f"{{exceptions: [{{step: 77aa01b2c3d4, counter: copied_rows, table: oders, {OWNED} 2027-03-31}}]}}",
            "exceptions[0].table: no dataset of this job has a table oders; did you mean orders",
        ),
        (
            f"{{allowed_losses: [{{step: 77aa01b2c3d4, table: oders, {OWNED} 2027-03-31}}]}}",
            "allowed_losses[0].table: no dataset of this job has a table oders; did you mean orders",
        ),
        (
            f"{{allowed_losses: [{{step: 77aa01b2c3d4, table: orders, column: ctiy, {OWNED} 2027-03-31}}]}}",
            "allowed_losses[0].column: orders has no column ctiy on any dataset of this job; did you mean city?",
        ),
        (
            "{steps: {9f3c1b7a2d01: {copied_rows: 1}}}",
            "steps.9f3c1b7a2d01: no dataset of this job is taken through a step 9f3c1b7a2d01; did you",
        ),
        (
            f"{{exceptions: [{{step: 77aa01b2c3d5, counter: copied_rows, {OWNED} 2027-03-31}}]}}",
            "exceptions[0].step: no dataset of this job is taken through a step 77aa01b2c3d5; did you",
        ),
    ],
)
def test_every_name_that_is_nobodys_is_told(text: str, line: str, tmp_path: Path) -> None:
    (found,) = told(text, tmp_path)
    assert found.startswith(f"dbmigration.{line}")


@pytest.mark.parametrize(
    "text",
    [
        "{tables: {orders: {copied_rows: 1}}, small_tables: [order_items], steps: {9f3c1b7a2d10->77aa01b2c3d4: {}}}",
        f"{{allowed_losses: [{{step: 77aa01b2c3d4, table: orders, column: '*', {OWNED} 2027-03-31}}]}}",
        # It has expired, and that is told.
        f"{{allowed_losses: [{{step: 77aa01b2c3d4, table: gone, {OWNED} 2027-03-30}}]}}",
        # The target branch has the step: the table has gone with it.
        f"{{allowed_losses: [{{step: 9f3c1b7a2d10, table: gone, {OWNED} 2027-03-31}}]}}",
        # The policy is merged before its migration.
        f"{{exceptions: [{{step: 0c4f55e1a9b7, counter: copied_rows, {OWNED} 2027-03-31}}]}}",
    ],
)
def test_what_is_known_was_known_or_is_still_to_come_is_not_told(text: str, tmp_path: Path) -> None:
    assert told(text, tmp_path) == ()


def test_a_step_that_is_older_than_every_dataset_is_known_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    text = (
        f"{{steps: {{0aaa1111bbbb: {{}}}}, allowed_losses: [{{step: 0aaa1111bbbb, table: gone, {OWNED} 2027-03-31}}]}}"
    )
    assert len(told(text, tmp_path)) == 2

    (tmp_path / "versions" / "fax.py").write_text('revision = "0aaa1111bbbb"\n', "utf-8")
    assert told(text, tmp_path) == ()


def test_a_table_that_a_model_of_the_project_declares_is_in_another_jobs_datasets(tmp_path: Path) -> None:
    text = "{tables: {flavors: {copied_rows: 5}, flavours: {copied_rows: 5}}}"
    (tmp_path / "models.py").write_text('class Flavor(Base):\n    __tablename__ = "flavors"\n', "utf-8")
    (line,) = told(text, tmp_path)
    assert line == "dbmigration.tables.flavours: no dataset of this job has a table flavours"


def test_of_many_names_some_are_told_and_how_many_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []
    monkeypatch.setattr("difflib.get_close_matches", lambda name, *_known: sought.append(name) or [])
    names = ", ".join(f"x{number}" for number in range(LOOKED_AT + 50))
    (finding,) = strays(policy(f"{{small_tables: [{names}]}}"), THERE, RESULTS, tmp_path, TODAY)
    assert finding.message.endswith(f"a table x0 ({LOOKED_AT - 1} more in the evidence)")
    assert finding.evidence[-1] == f"and {LOOKED_AT - 20} more"
    assert set(sought) == {f"x{number}" for number in range(20)}, "what is like the others is nobody's concern"


def test_of_steps_that_nobody_looked_for_because_there_are_many_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    names = [f"{number:012x}" for number in range(LOOKED_AT + 50)]
    for name in names:
        (tmp_path / "versions" / f"{name}_old.py").touch()
    assert told(f"{{steps: {{{', '.join(f'{name}: {{}}' for name in names)}}}}}", tmp_path) == ()
