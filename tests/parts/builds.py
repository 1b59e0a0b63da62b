"""A job's builds over time, as a worker would remember them."""

from __future__ import annotations

import datetime

from attrs import evolve

from thcore.model import JobHistory, Limit, Outcome, PastAttempt, Publication

from parts import outcomes
from parts.history import at

JOB = outcomes.passing().job


def build(base: Outcome, number: int, *, factor: float = 1.0, fingerprint: str | None = None) -> Outcome:
    """The outcome of build ``number`` of the job, an hour after the one before; its steps take ``factor`` times as long
    as in ``base``, on other content of the dataset where a fingerprint is given."""
    datasets = tuple(
        evolve(
            run,
            fingerprint=fingerprint or run.fingerprint,
            steps=tuple(
                evolve(
                    step,
                    measurement=step.measurement and evolve(step.measurement, wall_s=step.measurement.wall_s * factor),
                )
                for step in run.steps
            ),
        )
        for run in base.datasets
    )
    named = evolve(
        base,
        datasets=datasets,
        log_path=f"45/12345/{number}/check/{base.job}/b{number}",
        change=evolve(base.change, patchset=str(number)),
        publications=(Publication(f"https://logs.example.org/{number}/"),),
        ended=base.ended + datetime.timedelta(seconds=number),
    )
    return at(named, f"b{number}", number)


def job_history(count: int = 12) -> JobHistory:
    """A job that mostly passes: every fourth build fails, is not measured or is cancelled. On the last four the dataset
    has other content, and steps take twice as long."""
    others = (outcomes.failing, outcomes.unverified, outcomes.cancelled)
    builds = []
    for number in range(count):
        base = others[number // 4 % 3]() if number % 4 == 3 else outcomes.passing()
        late = number >= count - 4
        fingerprint = "sha256:0000000000000000" if late else None
        builds.append(PastAttempt.of(build(base, number, factor=2.0 if late else 1.0, fingerprint=fingerprint)))
    return JobHistory(JOB, tuple(reversed(builds)))


def limited(outcome: Outcome, *limits: Limit) -> Outcome:
    """The outcome with these limits on the last two steps of each dataset."""
    return evolve(
        outcome,
        datasets=tuple(
            evolve(run, steps=(*run.steps[:-2], *(evolve(step, limits=limits) for step in run.steps[-2:])))
            for run in outcome.datasets
        ),
    )
