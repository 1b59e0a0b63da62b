"""Builds of the past, as a worker remembers them."""

from __future__ import annotations

import datetime
import enum

from attrs import evolve, frozen

from thcore.model.finding import Finding
from thcore.model.migration import DatasetRun
from thcore.model.outcome import Outcome, StageRun, Verdict


class Answered(enum.Enum):
    """Whether Zuul was given an outcome."""

    YES = "yes"
    NO = "no"
    """The connection to the Gearman server was lost, so that the build was handed to another worker."""
    UNKNOWN = "unknown"
    """The worker died before it could note it."""


@frozen
class PastAttempt:
    """An attempt that has ended.

    ``change`` is the change in words, ``url`` its first publication. The last three are filled in where an attempt is
    asked for by its build, and empty in lists. Texts can be cut, and findings come without their evidence.
    """

    build: str
    attempt: int
    worker: str
    job: str
    project: str
    branch: str | None
    change: str
    verdict: Verdict
    summary: str
    started: datetime.datetime
    ended: datetime.datetime
    duration_s: float
    commit: str | None
    timed_out: bool
    url: str | None
    answered: Answered
    log_path: str
    stages: tuple[StageRun, ...] = ()
    datasets: tuple[DatasetRun, ...] = ()
    findings: tuple[Finding, ...] = ()

    @classmethod
    def of(cls, outcome: Outcome, answered: Answered = Answered.UNKNOWN) -> PastAttempt:
        """What will be remembered of an outcome, with nothing cut."""
        return cls(
            outcome.build,
            outcome.attempt,
            outcome.worker.name,
            outcome.job,
            outcome.change.project,
            outcome.change.branch,
            str(outcome.change),
            outcome.verdict,
            outcome.summary,
            outcome.started,
            outcome.ended,
            outcome.duration_s,
            outcome.commit,
            outcome.timed_out,
            outcome.publications[0].url if outcome.publications else None,
            answered,
            outcome.log_path,
            outcome.stages,
            # What an earlier build has measured is remembered of that one.
            tuple(
                evolve(run, steps=tuple(step for step in run.steps if not step.from_snapshot))
                for run in outcome.datasets
            ),
            tuple(evolve(finding, evidence=()) for finding in outcome.findings),
        )

    @property
    def identity(self) -> tuple[str, str, int]:
        """Build, worker and number: what tells it from every other attempt."""
        return self.build, self.worker, self.attempt


@frozen
class JobHistory:
    """The newest attempts of a job, newest first: with their stages and datasets, and of the steps those that matter
    most, each with what it cost and its limits; without findings. ``left_out`` counts the steps that are not among
    them."""

    job: str
    attempts: tuple[PastAttempt, ...] = ()
    left_out: int = 0

    def including(self, outcome: Outcome) -> JobHistory:
        """The same with an outcome, which takes the place of what was known of that attempt."""
        new = PastAttempt.of(outcome)
        others = (past for past in self.attempts if past.identity != new.identity)
        return evolve(self, attempts=tuple(sorted((new, *others), key=lambda past: past.started, reverse=True)))
