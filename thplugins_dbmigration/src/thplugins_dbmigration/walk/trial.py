"""The change's own leg on a dataset, and the state before a step of it that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from thcore.errors import ChangeError, StoppedError
from thcore.model import Provision, Step, StepResult
from thplugins_dbmigration import messages, project, snapshots
from thplugins_dbmigration.options import SilentLoss
from thplugins_dbmigration.snapshots import Key
from thplugins_dbmigration.walk.ascent import check_start
from thplugins_dbmigration.walk.course import Course, named
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.manner import Manner
from thplugins_dbmigration.walk.route import digest_of_fixups, fixups
from thplugins_dbmigration.walk.sources import Sources
from thplugins_dbmigration.walk.states import State
from thplugins_dbmigration.walk.trail import Trail


@frozen
class Trial:
    """A change on a dataset. ``state`` is where its leg begins; ``trunk`` is what the target branch has walked, None
    when every step is judged; ``first`` are the tables that a canary is to watch before all others."""

    site: Site
    manner: Manner
    chosen: project.Chosen
    change: Provision
    state: State
    trunk: Trail | None = None
    first: tuple[str, ...] = ()

    def added(self, step: Step) -> bool:
        """Whether the change adds a step: the target branch has not got it, or has it with another content."""
        return (
            self.trunk is None
            or not self.trunk.knows(step)
            or self.trunk.edits(step, Sources(self.change.checkout.path))
        )

    def leg(self, ground: Ground, config: Path, short_of: Step | None = None) -> Leg:
        """The change's leg, ready to be walked; up to a step, where one is named."""
        site, options, trail = self.site, self.manner.options, self.state.trail
        pending = [each for each in fixups(options, site.dataset) if each not in trail.fixups]
        made = project.project(site.build, self.manner, self.change, ground.address, ground.server, config=config)
        course = Course(pending=pending, short_of=short_of)
        counting = options.silent_loss is not SilentLoss.OFF
        leg = Leg(
            site.build,
            site.turns,
            site.dataset,
            site.engine.name,
            made,
            course,
            added=self.added,
            counting=counting,
            census=trail.census if counting and not pending else None,
            canary=options.canary and short_of is None,
            first=self.first,
        )
        if not trail.start:
            leg.look = lambda plan: check_start(site.dataset, plan)
        return leg

    def leg_without_rows(self, ground: Ground, config: Path, short_of: Step | None = None) -> Leg:
        """The same leg for the sake of its way alone: nothing on it is judged or looked at closely."""
        leg = self.leg(ground, config, short_of)
        leg.added = lambda _step: False
        leg.counting = False
        leg.name = "without rows"
        return leg

    def resumed(self) -> Trial:
        """The same trial from the state before the step that failed when this commit was tried last, where it was
        kept."""
        snapshot = snapshots.find(self.site.build, self._key)
        if snapshot is None:
            return self
        state = State.of(snapshot)
        trail = state.trail
        steps = (each if each.leg else self._judged(each) for each in trail.steps)
        told = f"going on from {', '.join(named(trail.versions))}, after which a step has failed"
        self.site.build.log(told, source=self.site.dataset.name)
        return evolve(self, state=evolve(state, trail=evolve(trail, steps=tuple(steps))))

    def _judged(self, result: StepResult) -> StepResult:
        """What an earlier build kept, as this one sees it: the target branch may have moved on, and limits changed."""
        added = self.added(result.step)
        return evolve(result, added=added, limits=self.site.dataset.limits_for(result.step) if added else ())

    def keep(self, step: Step, results: Sequence[StepResult]) -> None:
        """Make the state before a step of the change that has failed, and freeze it with the ``results`` of the steps
        before that one, as they were judged. That it cannot be made is told in the build log only: the verdict stands.
        Raises only CancelledError and DeadlineError."""
        name = f"before {messages.way(step)}"
        try:
            self.site.frozen(self._key, name, lambda data: self._before(step, results, data))
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
            self.site.build.log(f"the state {name} cannot be kept: {error}", source=self.site.dataset.name)

    @property
    def _key(self) -> Key:
        after = self.state.snapshot.key
        parts = {name: after.parts[name] for name in ("project", "engine", "engine_version") if name in after.parts}
        options, dataset = self.manner.options, self.site.dataset
        own = {
            "commit": self.change.checkout.commit,
            "options": self.manner.digest,
            "fixups": digest_of_fixups(dataset, fixups(options, dataset)),
            "counted": "no" if options.silent_loss is SilentLoss.OFF else "yes",
            "environment": self.site.build.preparation(),
            "after": after.digest,
        }
        return Key("boundary", dataset.name, {**parts, **own})

    def _before(self, step: Step, results: Sequence[StepResult], data: Path) -> Mapping[str, Any]:
        trail = self.state.trail
        with self.site.ground(self.state.snapshot, data) as ground:
            leg = self.leg(ground, self.site.place / "boundary", step)
            stop = leg.walk(self.chosen)
            if stop.failed is not None:
                raise ChangeError(f"{messages.way(stop.failed)} failed this time: {stop.message}")
            versions = {chain: tuple(sorted(found)) for chain, found in leg.final(self.chosen).items()}
            with self.site.turns.beside():
                ground.server.settle(ground.address)
        self.site.freeze(data)
        judged = {result.step: result for result in results if not result.leg}
        again = (judged.get(result.step, result) for result in leg.results if result.result == "ok")
        walked = tuple(evolve(result, limits=()) for result in again)
        start = trail.start or {chain: tuple(sorted(plan.current)) for chain, plan in leg.course.plans.items()}
        steps, done = (*trail.steps, *walked), (*trail.fixups, *leg.course.done)
        return Trail(start, {**trail.versions, **versions}, steps, trail.files, done).notes
