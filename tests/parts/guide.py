"""A guide that remembers what it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from thcore.model import Step
from thplugins_dbmigration.tools.tool import Pause, Plan


def _nothing(_step: Step) -> None:
    """Between two steps there is nothing to do."""


@define
class Told:
    """Chooses the first ``most`` steps of each chain, all without it, and has each of them wait at ``pause``. ``told``
    is what it heard, in order."""

    most: int | None = None
    started: Callable[[Step], None] = _nothing
    ended: Callable[[Step], None] = _nothing
    pause: Pause | None = None
    plans: list[Plan] = field(factory=list)
    told: list[str] = field(factory=list)

    def choose(self, plan: Plan) -> Sequence[Step]:
        self.plans.append(plan)
        return plan.steps[: self.most]

    def before(self, step: Step) -> Pause | None:
        self.told.append(f"before {step.version}")
        self.started(step)
        return self.pause

    def after(self, step: Step, ok: bool) -> None:
        self.told.append(f"{'after' if ok else 'failed'} {step.version}")
        self.ended(step)
