"""An attempt as the history remembers it."""

from __future__ import annotations

import datetime
import enum

from attrs import frozen

from thcore.model import DatasetRun, Finding, StageRun, Verdict


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
