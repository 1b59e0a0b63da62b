"""Whether the steps of a change can be taken back: down and up again, with all that the dataset holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from thcore.errors import InfrastructureError
from thcore.model import Check, CommandResult, Step
from thplugins_dbmigration import faults, messages, project
from thplugins_dbmigration.checks.likeness import Likeness
from thplugins_dbmigration.checks.rerun import ImpossibleError, clone, leg_of, must_end_well, words
from thplugins_dbmigration.tools.tool import OneWay, Reversible
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.trial import Trial

NAME = "round-trip"
_IRREVERSIBLE = re.compile(
    r"NotImplementedError|IrreversibleError|has no attribute '(downgrade|rollback)'|does not define .*downgrade"
    r"|\b(irreversible|not reversible|cannot be reversed)\b",
    re.IGNORECASE,
)


def round_trip(trial: Trial, steps: Sequence[Step], first: Step | None) -> Check:
    """Run the change's ``steps``, take them back, and run them again. ``first`` is the first of them where the change's
    leg has older ones before it. Raises ImpossibleError."""
    tool, build = trial.chosen.tool, trial.site.build
    if not isinstance(tool, Reversible):
        raise ImpossibleError(f"the tool {tool.name} cannot take steps back")
    with clone(trial, short_of=first) as (ground, there):
        before = Likeness.of(ground)
        leg = leg_of(trial, ground, after=there)
        must_end_well(trial, leg.walk(trial.chosen))
        top = Likeness.of(ground)
        try:
            result = tool.back(build, trial.chosen.options, leg.project, steps)
        except OneWay as reason:
            raise ImpossibleError(str(reason)) from reason
        if not result.ok:
            return _stuck(trial, result)
        after = Likeness.of(ground)
        told = _still_there(trial, leg, steps)
        lost = before.unlike(after, here="before", there="after going back")
        again = leg_of(trial, ground, after=leg)
        stop = again.walk(trial.chosen)
        told += lost.values()
        if stop.failed is not None:
            told.append(f"{messages.way(stop.failed)} fails when it is run again: {words(trial, stop)[0]}")
        else:
            told += _otherwise(before, top, Likeness.of(ground), lost)
    return Check(NAME, "failed" if told else "ok", details=tuple(told))


def _otherwise(before: Likeness, first: Likeness, second: Likeness, lost: Collection[str]) -> list[str]:
    """What the steps have made otherwise the second time. What they add may hold another thing each time, such as the
    time of day, so that only what was there before them is compared, and the schema."""
    known = {*before.sums, *(f"{table}.{name}" for table, found in before.sums.items() for name in found.columns)}
    found = first.unlike(second, here="the first time", there="the second time")
    return [line for about, line in found.items() if about == line or (about in known and about not in lost)]


def _still_there(trial: Trial, leg: Leg, steps: Sequence[Step]) -> list[str]:
    """The steps that the database lists after they were taken back."""
    final = leg.final(trial.chosen)
    listed = [messages.way(step) for step in steps if step.version in final.get(step.chain, ())]
    return [f"after going back, the database lists {', '.join(listed)} all the same"] if listed else []


def _stuck(trial: Trial, result: CommandResult) -> Check:
    told = project.with_short_paths(result.tail, trial.change)
    reason = faults.machine_fault(told)
    if reason is not None:
        raise InfrastructureError(
            f"going back stopped for a reason that is not its own: {reason}", code="machine-fault"
        )
    one_way = [line for line in told if _IRREVERSIBLE.search(line)]
    if one_way:
        raise ImpossibleError(f"the migration cannot be taken back: {one_way[-1].strip()}")
    return Check(NAME, "failed", details=(f"going back fails: {result.reason()}", *told))
