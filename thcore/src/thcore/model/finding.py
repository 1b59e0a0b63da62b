"""What an analysis says."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from attrs import frozen


class Severity(enum.Enum):
    """How much a finding weighs. The heaviest one of a build decides its verdict."""

    INFO = "info"
    """Worth knowing."""
    WARNING = "warning"
    """Worth acting on; does not fail the build."""
    UNVERIFIED = "unverified"
    """Something could not be measured, by a fault of ours or of the dataset: no pass, and no failure either."""
    FAILURE = "failure"
    """The change is at fault."""


@frozen
class Location:
    """Where a finding points; only what applies is set. ``path`` is relative to the checkout or to the artifacts;
    ``line`` counts from 1."""

    path: str | None = None
    line: int | None = None
    dataset: str | None = None
    step: str | None = None

    def __str__(self) -> str:
        file = f"{self.path}:{self.line}" if self.path and self.line else self.path
        return ", ".join(
            part
            for part in (file, self.dataset and f"dataset {self.dataset}", self.step and f"step {self.step}")
            if part
        )


@frozen
class Finding:
    """One thing an analysis says.

    ``code`` is stable and kebab-case: scripts may rely on it. ``message`` is one line for people. ``evidence`` holds
    the log lines or rows that show it, plain text. ``hint`` says what to do next, in a sentence. ``plugin`` is filled
    in by the core. ``command`` is what does it, in one line for a shell, to be copied; the hint
    leads up to it.
    """

    code: str
    severity: Severity
    message: str
    location: Location = Location()
    evidence: tuple[str, ...] = ()
    hint: str | None = None
    plugin: str | None = None
    command: str | None = None


_LIGHTEST_FIRST = (Severity.INFO, Severity.WARNING, Severity.UNVERIFIED, Severity.FAILURE)


def by_weight(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, heaviest first, otherwise in their order."""
    return tuple(sorted(findings, key=lambda finding: -_LIGHTEST_FIRST.index(finding.severity)))
