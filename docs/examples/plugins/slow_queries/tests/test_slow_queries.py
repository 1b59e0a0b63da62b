from __future__ import annotations

from pathlib import Path

import pytest
from thcore.model import (
    DatasetRun,
    Execution,
    Finding,
    Measurement,
    Seconds,
    Statement,
    Step,
    StepResult,
    TableWork,
    Wait,
)
from thcore.testing import make_build
from thcore.testing.contract import AnalyserContract

from thplugins_example_slow_queries.plugin import SlowQueriesOptions
from thplugins_example_slow_queries.plugin import plugin as slow_queries

COPY = Statement(
    "ALTER TABLE orders\n  MODIFY note text",
    0.5,
    7.5,
    works=(TableWork("orders", "copy", rows=60_000),),
    waits=(Wait("write", "orders", 7.4),),
)
UPDATES = Statement("UPDATE orders SET cents = ? WHERE id = ?", 8.0, 2.0, calls=60_000)
QUICK = Statement("CREATE TABLE note (id int)", 0.0, 0.02)


def executed(*statements: Statement, added: bool = True) -> Execution:
    """A gate's execution with one dataset and one step."""
    step = Step("0004", ("0003",), path="migrations/0004.py")
    result = StepResult(step, added=added, result="ok", measurement=Measurement(10.0, statements=statements))
    return Execution(0, datasets=(DatasetRun("shop", "mysql", "10.11", "1" * 64, "alembic", steps=(result,)),))


def found(directory: Path, execution: Execution, options: SlowQueriesOptions | None = None) -> list[Finding]:
    with make_build(directory) as build:
        return list(slow_queries.thcore_analyse(build, options or SlowQueriesOptions(), execution))


class TestSlowQueries(AnalyserContract):
    plugin = slow_queries
    execution = executed(COPY, UPDATES, Statement("SELECT '\x00\x1b[2J\n'" + "x" * 100_000, 0.0, 5.0))


def test_the_slowest_statement_comes_first_with_where_it_is_and_what_to_do(tmp_path: Path) -> None:
    copy, updates = found(tmp_path, executed(QUICK, UPDATES, COPY))

    assert copy.message == "ALTER TABLE orders MODIFY note text took 7.5 s, 75% of the step"
    assert str(copy.location) == "migrations/0004.py, dataset shop, step 0003 -> 0004"
    assert copy.evidence[1:] == ("copies orders (60,000 rows)", "writers of orders waited 7.4 s")
    assert copy.hint is not None
    assert copy.hint.startswith("It copies orders row by row")
    assert updates.hint == "It was called 60000 times: one statement for all rows may do."


def test_steps_that_the_change_does_not_add_are_not_commented_on(tmp_path: Path) -> None:
    assert found(tmp_path, executed(COPY, added=False)) == []


def test_a_job_says_what_is_slow_and_how_much_it_wants_to_read(tmp_path: Path) -> None:
    execution = executed(QUICK, UPDATES, COPY)

    assert found(tmp_path / "a", execution, SlowQueriesOptions(longest=Seconds(8.0))) == []
    assert len(found(tmp_path / "b", execution, SlowQueriesOptions(longest=Seconds(0.0)))) == 3
    assert len(found(tmp_path / "c", execution, SlowQueriesOptions(longest=Seconds(0.0), most=1))) == 1


def test_none_at_all_is_no_number_of_statements() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        SlowQueriesOptions(most=0)
