"""How a dataset's walk ends before its end."""

from __future__ import annotations

from thcore.model import Finding, StepResult


class Halt(Exception):  # noqa: N818 - it is no error: everything is said in a finding
    """Nothing more can be done with this dataset. ``steps`` are those of the legs so far."""

    def __init__(self, finding: Finding, steps: tuple[StepResult, ...] = ()) -> None:
        self.finding = finding
        self.steps = steps
        super().__init__(finding.message)
