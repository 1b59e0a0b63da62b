"""The states of a dataset: each is made once, by walking on from the one before it, and frozen."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Progress
from thplugins_dbmigration import snapshots
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.options import SilentLoss
from thplugins_dbmigration.policy.source import content
from thplugins_dbmigration.snapshots import Key, Snapshot, dataset_key
from thplugins_dbmigration.walk.ascent import ascend, lost
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.route import Waypoint, keys
from thplugins_dbmigration.walk.trail import Trail


@frozen
class State:
    """A frozen state and the way that led to it."""

    snapshot: Snapshot
    trail: Trail

    @classmethod
    def of(cls, snapshot: Snapshot) -> State:
        """Read a snapshot's notes. Raises InfrastructureError (``snapshot-damaged``) for one that has none: it is taken
        away, to be made again."""
        try:
            return cls(snapshot, Trail.of(snapshot.notes))
        except InfrastructureError:
            snapshots.drop(snapshot)
            raise

    def fresh(self, dataset: Dataset, legs: Container[str]) -> State:
        """The same state; the steps of ``legs`` are this build's own, and no earlier one's."""
        steps = (
            evolve(step, from_snapshot=False, limits=dataset.limits_for(step.step)) if step.leg in legs else step
            for step in self.trail.steps
        )
        return evolve(self, trail=evolve(self.trail, steps=tuple(steps)))


@define
class States:
    """The states of one dataset. Number 0 is the dataset as it was restored, 1 the one after the first waypoint, and so
    on; ``keys`` has one for each."""

    site: Site
    waypoints: tuple[Waypoint, ...]
    keys: tuple[Key, ...]
    _fresh: set[str] = field(factory=set)
    """The legs that this build has walked itself."""

    @classmethod
    def of(cls, site: Site, waypoints: tuple[Waypoint, ...]) -> States:
        """Work out what there is to be. Nothing is made, and no work tree is needed. Raises Halt when a waypoint's
        commit is not to be had."""
        start = dataset_key(site.build, site.engine, site.installation, site.dataset)
        return cls(site, waypoints, (start, *keys(start, waypoints, lambda waypoint: _prepared(site, waypoint))))

    def at(self, number: int) -> State:
        """A state, made when it is not there. Raises Halt when it cannot be reached, which is never the change's fault,
        and InfrastructureError for a fault of ours; with ``snapshot-damaged``, asking again helps."""
        if number == 0:
            return State(self.site.restored(), Trail())
        build, dataset, key = self.site.build, self.site.dataset, self.keys[number]
        snapshot = snapshots.find(build, key) or self.site.frozen(
            key, self.waypoints[number - 1].label, lambda data: self._make(number, data)
        )
        return State.of(snapshot).fresh(dataset, self._fresh)

    def name(self, number: int) -> str:
        """What reports call a state."""
        return self.waypoints[number - 1].label if number else "the dataset"

    def before(self, leg: str) -> int:
        """The number of the state that a leg begins at."""
        return next(number for number, waypoint in enumerate(self.waypoints) if waypoint.label == leg)

    def _make(self, number: int, data: Path) -> Mapping[str, Any]:
        before = self.at(number - 1)
        site, waypoint = self.site, self.waypoints[number - 1]
        site.build.emit(Progress(f"{site.dataset.name}: {waypoint.label}: checkout and environment"))
        try:
            provision = site.provision(waypoint)
        except (ChangeError, InfrastructureError) as error:
            raise _unprepared(site, waypoint, error, before.trail) from error
        policy = content(provision.checkout.path)  # before its programs have run
        with site.ground(before.snapshot, data) as ground:
            trail = ascend(site, ground, waypoint, provision, before.trail)
            with site.turns.beside():
                ground.server.settle(ground.address)
                # So that no build that goes on from here has to count.
                counts = waypoint.kind == "trunk" and waypoint.manner.options.silent_loss is not SilentLoss.OFF
                census = ground.server.census(ground.address) if counts else None
        site.freeze(data)
        self._fresh.add(waypoint.label)
        return evolve(trail, policy=policy, census=census).notes


def _prepared(site: Site, waypoint: Waypoint) -> tuple[str, str]:
    try:
        commit = site.build.resolve(waypoint.revision)
        return commit, site.build.preparation(options=waypoint.provisioning)
    except (ChangeError, InfrastructureError) as error:
        raise _unprepared(site, waypoint, error, Trail()) from error


def _unprepared(site: Site, waypoint: Waypoint, error: Exception, before: Trail) -> Halt:
    return Halt(lost(waypoint, site.dataset, "it cannot be prepared", str(error).splitlines()), before.steps)
