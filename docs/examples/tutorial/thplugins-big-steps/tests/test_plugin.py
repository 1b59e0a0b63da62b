from __future__ import annotations

from thcore.model import DatasetRun, Execution, Measurement, Step, StepResult
from thcore.testing.contract import AnalyserContract
from thcore.testing.plugin import OpenStage

from thplugins_big_steps.plugin import ROWS_CHANGED
from thplugins_big_steps.plugin import plugin as big_steps


def changing(rows: int) -> Execution:
    """What the migration gate answers for a change with one step, on one dataset."""
    measured = Measurement(1.0, counters={ROWS_CHANGED: rows})
    step = StepResult(Step("0004", ("0003",)), added=True, result="ok", measurement=measured)
    return Execution(0, datasets=(DatasetRun("shop", "postgresql", "18", "1" * 64, "alembic", steps=(step,)),))


class TestBigSteps(AnalyserContract):
    plugin = big_steps
    execution = changing(60_000)


def test_a_step_is_told_with_how_many_rows_it_changes(thcore_stage: OpenStage) -> None:
    (finding,) = thcore_stage(big_steps).analyse(changing(60_000))

    assert finding.message == "One step changes 60,000 rows"
    assert str(finding.location) == "dataset shop, step 0003 -> 0004"


def test_a_step_that_changes_few_rows_is_fine(thcore_stage: OpenStage) -> None:
    assert not thcore_stage(big_steps, {"most": 60_000}).analyse(changing(60_000))
