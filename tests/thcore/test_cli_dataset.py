"""What a terminal is told of a dataset's steps."""

from __future__ import annotations

import io

import pytest
from attrs import evolve
from rich.console import Console

from thcore.cli.dataset import show_dataset
from thcore.model import DatasetRun, Excuse, Limit, Measurement, Severity, Step, StepResult

from parts.outcomes import passing, watched


def shown(dataset: DatasetRun) -> list[str]:
    text = io.StringIO()
    show_dataset(Console(file=text, width=200), dataset)
    return [line.strip() for line in text.getvalue().splitlines()]


def test_statements_that_copy_or_lock_a_table_or_make_somebody_wait_or_fail_are_told() -> None:
    lines = shown(watched().datasets[1])

    assert (
        "ALTER TABLE orders MODIFY total BIGINT NOT NULL: copies orders (1,200,000 rows, 135.0 MiB), "
        "writers of orders waited 41 s, orders locked against writers for 41 s (SHARED_NO_WRITE)"
    ) in lines
    assert (
        "CREATE UNIQUE INDEX ix_orders_number ON orders (number): 1062 Duplicate entry '7' for key 'ix_orders_number'"
    ) in lines
    assert not any("ADD note" in line or "UPDATE" in line for line in lines), "they do nothing of the kind"


def test_a_dataset_whose_statements_were_not_noted_has_no_line_of_theirs() -> None:
    assert not any("waited" in line or "copies" in line for line in shown(passing().datasets[0]))


@pytest.mark.parametrize(
    ("limit", "added", "told"),
    [
        (Limit("wall_s", 60, "there", weight=Severity.FAILURE), True, "31m(over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there", weight=Severity.WARNING), True, "33m(warning: over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there", weight=Severity.UNVERIFIED), True, "33m(unverified: over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there"), True, "31m(over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there"), False, "33m(warning: over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there", severity=Severity.WARNING), True, "33m(warning: over limit 1 m 00 s)"),
        (Limit("wall_s", 60, "there", excuse=Excuse("so", "us", "2027-03-31")), True, "2m(excused from limit"),
        (Limit("wall_s", 80, "there"), True, "2m(limit 1 m 20 s)"),
    ],
)
def test_a_limit_is_told_as_what_going_above_it_weighs(limit: Limit, added: bool, told: str) -> None:
    step = StepResult(Step("b", ("a",)), added, "ok", Measurement(74.0), (limit,))
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=True, color_system="standard", no_color=False)
    show_dataset(console, evolve(passing().datasets[0], steps=(step,)))
    (line,) = (line for line in text.getvalue().splitlines() if "1 m 14 s" in line)
    assert f"\x1b[{told}" in line
