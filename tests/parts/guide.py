"""A guide that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from thcore.model import Step
from thplugins_dbmigration.tools.tool import Plan


def _nothing(_step: Step) -> None:
    """Between two steps there is nothing to do."""


@define
class Told:
    """Chooses the first ``most`` steps of each chain, all without it. ``told`` is what it heard, in order."""

    most: int | None = None
    started: Callable[[Step], None] = _nothing
    ended: Callable[[Step], None] = _nothing
    plans: list[Plan] = field(factory=list)
    told: list[str] = field(factory=list)

    def choose(self, plan: Plan) -> Sequence[Step]:
        self.plans.append(plan)
        return plan.steps[: self.most]

    def before(self, step: Step) -> None:
        self.told.append(f"before {step.version}")
        self.started(step)

    def after(self, step: Step, ok: bool) -> None:
        self.told.append(f"{'after' if ok else 'failed'} {step.version}")
        self.ended(step)
