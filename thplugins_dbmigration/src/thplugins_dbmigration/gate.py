"""The gate: every dataset of the project, some of them side by side. The worst one decides."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from functools import partial, reduce
from operator import or_

from thcore.hooks import Build
from thcore.model import (
    Artifact,
    ChangeKind,
    Checkout,
    Environment,
    Execution,
    Finding,
    Provision,
    Severity,
)
from thplugins_dbmigration import datasets, messages
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.lanes import side_by_side
from thplugins_dbmigration.limits.rules import Rules
from thplugins_dbmigration.options import DbmigrationOptions, Judge, LearnedLimits, PolicyFrom
from thplugins_dbmigration.policy.file import parse
from thplugins_dbmigration.policy.record import record_of
from thplugins_dbmigration.policy.source import Ruling, content, own_ruling, ruling
from thplugins_dbmigration.strays import strays
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk.inventory import Inventory
from thplugins_dbmigration.walk.leg import count
from thplugins_dbmigration.walk.passage import Passage

MOST_LANES = 4
"""How many datasets are taken through side by side at most, when the settings do not say: each has a server."""


def run(build: Build, options: DbmigrationOptions, checkout: Checkout, environment: Environment) -> Execution:
    """Take every dataset of the change's project through the change's migrations.

    What went wrong is in the findings; limits are for ``judge``. Raises only CancelledError and DeadlineError.
    """
    change = Provision(checkout, environment)
    found, problems = datasets.discover(options.datasets, build.change.project)
    findings = [messages.seed_not_found(problem) for problem in problems]
    if not found and not problems:
        findings.append(
            messages.seed_not_found(f"no dataset in {options.datasets} is for the project {build.change.project}")
        )
    branch = _target(build, options)
    own = content(checkout.path)  # before the change's programs have run
    rule = partial(_ruled, options, own, branch)
    turns = Turns(build.check)
    lanes = _lanes(build, len(found))

    def taken(dataset: Dataset) -> Passage:
        build.check()
        with build.part(dataset.name if lanes > 1 else "") as part:
            passage = Passage(part, turns, options, dataset, change, branch, rule)
            passage.go()
        return passage

    passages = side_by_side(taken, found, lanes)
    theirs = next((passage.policy for passage in passages if passage.policy is not None), None)
    ruled = rule(theirs) if passages else Ruling()
    for passage in passages:
        passage.limit(Rules(passage.dataset, ruled.policy, build.past, _weight(options)))
    runs = tuple(passage.run for passage in passages if passage.run is not None)
    ran = sum(count(run.steps) for run in runs)
    return Execution(
        exit_code=0,
        message=f"{_counted(ran, 'migration')} on {_counted(len(found), 'dataset')}",
        artifacts=tuple(_evidence(passage) for passage in passages if passage.evidence.is_dir()),
        records=(record_of(ruled.policy),),
        datasets=runs,
        findings=(
            *findings,
            *ruled.findings,
            *(() if problems else _strays(own, passages, checkout)),
            *(finding for passage in passages for finding in passage.findings),
        ),
    )


def _lanes(build: Build, datasets: int) -> int:
    """How many datasets to take through at the same time."""
    slots = getattr(build.settings, "dataset_slots", None)
    return min(datasets, slots or max(1, min(MOST_LANES, len(os.sched_getaffinity(0)) // 2)))


def _target(build: Build, options: DbmigrationOptions) -> str | None:
    """The target branch, None when every step is to be judged."""
    judges_all = options.judge is Judge.ALL or build.change.kind is not ChangeKind.CHANGE
    return None if judges_all else build.change.branch


def _ruled(options: DbmigrationOptions, own: str, branch: str | None, theirs: str | None) -> Ruling:
    """The policy that counts. Where no dataset got to the target branch, no step was judged either."""
    today = datetime.datetime.now(datetime.UTC).date()
    if branch is None or options.policy_from is PolicyFrom.CHANGE:
        return own_ruling(own, change=branch is not None, today=today)
    return Ruling() if theirs is None else ruling(own, theirs, branch, today)


def _strays(own: str, passages: Sequence[Passage], checkout: Checkout) -> tuple[Finding, ...]:
    """Names in the checkout's policy that are nobody's; none where a dataset was not taken through all steps, because
    it may have what they name."""
    policy, inventories = parse(own), [passage.inventory for passage in passages]
    known = [inventory for inventory in inventories if inventory is not None]
    if isinstance(policy, tuple) or len(known) < len(inventories) or not known:
        return ()
    steps = [step for passage in passages if passage.run is not None for step in passage.run.steps]
    there = reduce(or_, known, Inventory.of_steps(steps))
    return strays(policy, there, steps, checkout.path, datetime.datetime.now(datetime.UTC).date())


def _weight(options: DbmigrationOptions) -> Severity | None:
    """What learned limits weigh, None where there are to be none."""
    learned = options.learned_limits
    return None if learned is LearnedLimits.OFF else Severity(learned.value)


def _evidence(passage: Passage) -> Artifact:
    name = passage.dataset.name
    return Artifact(passage.evidence, f"datasets/{name}", f"Dataset {name}")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
