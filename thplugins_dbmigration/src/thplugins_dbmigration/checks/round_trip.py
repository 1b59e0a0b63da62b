"""Whether the steps of a change can be taken back: down and up again, with all that the dataset holds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from thcore.model import Check, CommandResult, Step
from thplugins_dbmigration import messages, project
from thplugins_dbmigration.checks.likeness import Likeness
from thplugins_dbmigration.checks.rerun import ImpossibleError, Rerun, not_machine_fault
from thplugins_dbmigration.faults import Evidence
from thplugins_dbmigration.tools.tool import OneWay, Reversible
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.trial import Trial

NAME = "round-trip"
_ERROR = re.compile(r"[\w.]+(Error|Exception)\b|ERROR\b")
"""How the line begins that says what went wrong."""
_IRREVERSIBLE = re.compile(
    r"NotImplementedError|IrreversibleError|has no attribute '(downgrade|rollback)'|There is no script for \d+ version"
    r"|\b(irreversible|not reversible|cannot be reversed)\b",
    re.IGNORECASE,
)


def round_trip(rerun: Rerun, steps: Sequence[Step]) -> Check:
    """Run the change's ``steps``, the last ones of its leg, take them back, and run them again. Raises
    ImpossibleError."""
    trial = rerun.trial
    tool, build = trial.chosen.tool, trial.site.build
    if not isinstance(tool, Reversible):
        raise ImpossibleError(f"the tool {tool.name} cannot take steps back")
    with rerun.clone(before=steps[0]) as (ground, there):
        before = rerun.look(ground)
        leg = rerun.leg(ground, after=there)
        rerun.ended_well(leg)
        top = rerun.look(ground)
        try:
            with trial.site.turns.beside():
                result = tool.back(build, trial.chosen.options, leg.project, steps)
        except OneWay as reason:
            raise ImpossibleError(str(reason)) from reason
        if not result.ok:
            return _stuck(trial, result, leg.look_around())
        after = rerun.look(ground)
        told = _still_there(trial, leg, steps)
        lost = before.unlike(after, here="before", there="after going back")
        again = rerun.leg(ground, after=leg)
        stop = again.walk(trial.chosen)
        told += lost.values()
        if stop.failed is not None:
            told.append(f"{messages.way(stop.failed)} fails when it is run again: {rerun.said(stop, again)}")
        else:
            told += _otherwise(before, top, rerun.look(ground), lost)
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


def _stuck(trial: Trial, result: CommandResult, known: Evidence) -> Check:
    told = project.with_short_paths(result.tail, trial.change)
    not_machine_fault(told, known)
    errors = [line.strip() for line in told if _ERROR.match(line)] or [result.reason()]
    if any(_IRREVERSIBLE.search(line) for line in told):
        raise ImpossibleError(f"the migration cannot be taken back: {errors[-1]}")
    return Check(NAME, "failed", details=(f"going back fails: {errors[-1]}", *told))
