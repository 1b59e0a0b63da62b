"""A build as a listing has it."""

from __future__ import annotations

import datetime

from attrs import frozen

from thcore.model import Outcome

__all__ = ["ListedBuild"]


@frozen
class ListedBuild:
    """A build whose evidence is at ``path``, relative to the directory that is listed. ``change`` is in words."""

    path: str
    build: str
    job: str
    change: str
    verdict: str
    summary: str
    started: datetime.datetime
    duration_s: float

    @classmethod
    def of(cls, outcome: Outcome, path: str) -> ListedBuild:
        """What a listing tells of an outcome."""
        return cls(
            path,
            outcome.build,
            outcome.job,
            str(outcome.change),
            outcome.verdict.value,
            outcome.summary,
            outcome.started,
            outcome.duration_s,
        )
