"""Whether a migrated dataset has the schema of a fresh install, and a fresh install that of the project's models.

A dataset may differ since long ago. What differs already without the change is told, and is no fault of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from thcore.model import Check
from thplugins_dbmigration.checks.fresh import Code, Fresh, installed
from thplugins_dbmigration.checks.likeness import schema_of
from thplugins_dbmigration.checks.rerun import scratch
from thplugins_dbmigration.schema import Schema, differences
from thplugins_dbmigration.walk.states import States
from thplugins_dbmigration.walk.trial import Trial

MIGRATED, FRESH = "in the migrated dataset", "in a fresh install"


def same_schema(trial: Trial, states: States, migrated: Schema) -> Iterator[Check]:
    """The checks ``same-schema``, and ``same-models`` where the models are known. ``migrated`` is what the change led
    the dataset to. Raises ImpossibleError."""
    fresh = installed(trial.site, _change(trial))
    before = cache(lambda: _before(trial, states))
    told = differences(migrated, fresh.schema, here=MIGRATED, there=FRESH)
    yield _compared("same-schema", told, lambda: before()[0])
    if fresh.models is not None:
        yield _compared("same-models", fresh.models, lambda: before()[1])


def _compared(name: str, told: tuple[str, ...], known: Callable[[], tuple[str, ...]]) -> Check:
    old = set(known()) if told else set()
    added = [line for line in told if line not in old]
    since = [f"without the change as well: {line}" for line in told if line in old]
    return Check(name, "failed" if added else "ok", details=(*added, *since))


def _before(trial: Trial, states: States) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What differs without the change: where there is a target branch to look at."""
    if trial.trunk is None:
        return (), ()
    site = trial.site
    fresh: Fresh = installed(site, _target(trial, states))
    with (
        scratch(site, "check") as data,
        site.ground(states.at(len(states.waypoints)).snapshot, data, kept=False) as ground,
    ):
        schema = schema_of(ground)
    return differences(schema, fresh.schema, here=MIGRATED, there=FRESH), fresh.models or ()


def _change(trial: Trial) -> Code:
    commit, build = trial.change.checkout.commit, trial.site.build
    return Code("the change", trial.manner, commit, build.preparation(), lambda: trial.change)


def _target(trial: Trial, states: States) -> Code:
    site, waypoint = trial.site, states.waypoints[-1]
    return Code(
        waypoint.name,
        waypoint.manner,
        site.build.resolve(waypoint.revision),
        site.build.preparation(options=waypoint.provisioning),
        lambda: site.provision(waypoint),
    )
