"""An outcome in which every text that somebody else has a say in is hostile."""

from __future__ import annotations

from attrs import evolve

from thcore.model import (
    Census,
    Check,
    ColumnCount,
    Count,
    Finding,
    Location,
    Measurement,
    Offence,
    Outcome,
    Severity,
    Statement,
    Step,
    StepResult,
    TableCount,
    TableLock,
    TableWork,
    Wait,
)

from parts import outcomes

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}\u202egnp.exe\x1b[31m\x00\n\udcff'


def hostile_outcome() -> Outcome:
    """Everything that text can be put into is hostile."""
    base = outcomes.failing()
    step = Step(HOSTILE, (HOSTILE,), HOSTILE, HOSTILE)
    run = evolve(base.datasets[1], name=HOSTILE, engine=HOSTILE, engine_version=HOSTILE, tool=HOSTILE)
    run = evolve(
        run,
        fingerprint=HOSTILE,
        start_version=(HOSTILE,),
        steps=(_hostile_result(step),),
        checks=(Check(HOSTILE, HOSTILE, HOSTILE, (HOSTILE,)),),
    )
    return evolve(
        base,
        job=HOSTILE,
        build=HOSTILE,
        summary=HOSTILE,
        change=evolve(base.change, project=HOSTILE, branch=HOSTILE, ref=HOSTILE, number=HOSTILE, patchset=HOSTILE),
        commit=HOSTILE,
        worker=evolve(base.worker, name=HOSTILE, hostname=HOSTILE, version=HOSTILE),
        plugins=(evolve(base.plugins[0], name=HOSTILE, distribution=HOSTILE, version=HOSTILE),),
        stages=(evolve(base.stages[0], plugins=(HOSTILE,)),),
        datasets=(run,),
        findings=(
            Finding(
                HOSTILE,
                Severity.FAILURE,
                HOSTILE,
                Location(HOSTILE, 3, HOSTILE, HOSTILE),
                (HOSTILE,),
                HOSTILE,
                HOSTILE,
            ),
        ),
    )


def _hostile_result(step: Step) -> StepResult:
    """A step in which everything that a database says is hostile."""
    work, wait = TableWork(HOSTILE, HOSTILE, 1, 1, HOSTILE), Wait("write", HOSTILE, 1.0)
    lock = TableLock(HOSTILE, HOSTILE, HOSTILE, 1.0, 1.0, index=HOSTILE)
    statement = Statement(HOSTILE, 0.0, 1.0, error=HOSTILE, works=(work,), waits=(wait,), locks=(lock,))
    offence = Offence(HOSTILE, HOSTILE, (HOSTILE,), 2, HOSTILE, ({HOSTILE: HOSTILE},))
    measured = Measurement(1.0, statements=(statement,), waits=(wait,), locks=(lock,))
    reasons = {"after": HOSTILE, "distinct": HOSTILE}
    column = ColumnCount(HOSTILE, Count(1), Count(1), Count(1), reasons)
    census = Census((TableCount(HOSTILE, Count(1), (column,), HOSTILE, reasons),), {HOSTILE: 1}, 1, HOSTILE, reasons)
    return StepResult(step, True, "failed", measured, offences=(offence,), on_empty="ok", census=census)  # noqa: FBT003 - a value's field
