"""The states before the steps of a change's leg, which can be repeated from any of them: made when wanted, frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from thcore.errors import ChangeError, StoppedError
from thcore.hooks import Build
from thcore.model import Step, StepResult, repetition
from thplugins_dbmigration import messages, project, snapshots
from thplugins_dbmigration.options import DbmigrationOptions, SilentLoss
from thplugins_dbmigration.snapshots import Key, shelf
from thplugins_dbmigration.tools.tool import Plan
from thplugins_dbmigration.walk.course import meant, named
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.route import digest_of_fixups, fixups
from thplugins_dbmigration.walk.states import State
from thplugins_dbmigration.walk.trail import Trail, by_chain
from thplugins_dbmigration.walk.trial import Trial

BEGIN_BEFORE = "dbmigration.begin_before"
"""The option that names a boundary, as thcore run takes it."""


def name_of(step: Step) -> str:
    """How people name the boundary before a step: by the version that it leads to, with its chain in front where that
    is not the main one."""
    return named({step.chain: [step.version]})[0]


def begun_before(trial: Trial, version: str) -> Trial:
    """The same trial from the state before the step to ``version``, see ``name_of``. What is walked to get there is a
    leg of its own, which can only inform.

    Raises Halt when that state is not to be had, which says nothing of the change, and InfrastructureError for a fault
    of ours; with ``snapshot-damaged``, asking again helps.
    """
    site, name, fresh = trial.site, _leg(version), False

    def make(data: Path) -> Mapping[str, Any]:
        nonlocal fresh
        fresh = True
        return _walked(trial, version, name, data).notes

    state = State.of(site.frozen(_key(trial, before=version), name, make))
    return evolve(trial, state=state.fresh(site.dataset, {name} if fresh else ()))


def passed_over(trial: Trial, version: str) -> tuple[Step, ...]:
    """The steps that the change adds, and that nobody judges in a trial that has begun before ``version``."""
    walked = (result.step for result in trial.state.trail.steps if result.leg == _leg(version))
    return tuple(step for step in walked if trial.added(step))


def known(site: Site) -> dict[str, Key]:
    """The boundaries that builds were told to begin at and that are there, by version: of a version that several
    commits have, the one that was wanted last."""
    found: dict[str, Key] = {}
    for place in sorted(shelf.places(site.build.state), key=shelf.last_used):
        record = shelf.read(place)
        key = record.key if record is not None else None
        if key is None or (key.kind, key.dataset) != ("boundary", site.dataset.name):
            continue
        if "before" in key.parts and key.parts.get("engine_version") == site.installation.version:
            found[key.parts["before"]] = key
    return found


def resumed(trial: Trial) -> Trial:
    """The same trial from the state before the step that failed when this commit was tried last, where it was kept. Not
    from one beyond a step that is to be judged now and was only walked then: nobody has counted what that took."""
    snapshot = snapshots.find(trial.site.build, _key(trial))
    if snapshot is None:
        return trial
    state = State.of(snapshot)
    trail = state.trail
    if any(not each.leg and not each.added and trial.added(each.step) for each in trail.steps):
        snapshots.drop(snapshot)
        return trial
    steps = (each if each.leg else _judged(trial, each) for each in trail.steps)
    told = f"going on from {', '.join(named(trail.versions))}, after which a step has failed"
    trial.site.build.log(told, source=trial.site.dataset.name)
    return evolve(trial, state=evolve(state, trail=evolve(trail, steps=tuple(steps))))


def keep(trial: Trial, step: Step, results: Sequence[StepResult]) -> None:
    """Make the state before a step of the change that has failed, and freeze it with the ``results`` of the steps
    before that one, as they were judged. That it cannot be made is told in the build log only: the verdict stands.
    Raises only CancelledError and DeadlineError."""
    if not any(result.added and result.result == "ok" for result in results):
        return  # the state before it is there already
    judged = {result.step: evolve(result, limits=()) for result in results if not result.leg}

    def make(data: Path) -> Mapping[str, Any]:
        trail = _walked(trial, name_of(step), "", data)
        steps = (each if each.leg else judged.get(each.step, each) for each in trail.steps)
        return evolve(trail, steps=tuple(steps)).notes

    name = f"before {messages.way(step)}"
    try:
        trial.site.frozen(_key(trial), name, make)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict stands
        trial.site.build.log(f"the state {name} cannot be kept: {error}", source=trial.site.dataset.name)


def repeat(
    build: Build, options: DbmigrationOptions, failed: Step, results: Iterable[StepResult]
) -> messages.Repetition:
    """How a developer runs a step of the change that has failed once more. ``results`` are those of this build."""
    first = next((result.step for result in results if not result.leg and not result.from_snapshot), failed)
    as_it_is = options.begin_before is None and (options.keep_boundaries or first == failed)
    command = repetition.command(build.job, build.change, {} if as_it_is else {BEGIN_BEFORE: name_of(failed)})
    state = "which is kept" if as_it_is else "which is made once"
    return messages.Repetition(f"From the state before it, {state}, this repeats it where the gate runs:", command)


def _leg(version: str) -> str:
    return f"the change before {version}"


def _judged(trial: Trial, result: StepResult) -> StepResult:
    """What an earlier build kept, as this one sees it: the target branch may have moved on, and limits changed."""
    added = trial.added(result.step)
    return evolve(result, added=added, limits=trial.site.dataset.limits_for(result.step) if added else ())


def _key(trial: Trial, **boundary: str) -> Key:
    """Of the boundary that is named, or of the one that the last build of this commit has kept."""
    after = trial.state.snapshot.key
    parts = {name: after.parts[name] for name in ("project", "engine", "engine_version") if name in after.parts}
    options, dataset = trial.manner.options, trial.site.dataset
    own = {
        "commit": trial.change.checkout.commit,
        "start": ", ".join(dataset.start),
        "options": trial.manner.digest,
        "fixups": digest_of_fixups(dataset, fixups(options, dataset)),
        "counted": "no" if options.silent_loss is SilentLoss.OFF else "yes",
        "canary": "yes" if options.canary else "no",
        "environment": trial.site.build.preparation(),
        "after": after.digest,
    }
    return Key("boundary", dataset.name, {**parts, **own, **boundary})


def _walked(trial: Trial, version: str, name: str, data: Path) -> Trail:
    """Walk a leg called ``name`` to the boundary before a version, in the directory ``data``, of which a server has let
    go then. Raises Halt when it does not get there."""
    site, before = trial.site, trial.state.trail
    with site.ground(trial.state.snapshot, data) as ground:
        leg = trial.unjudged(ground, site.place / "boundary", name)
        search = _Search(version, trial, leg, leg.look)
        leg.look = search.look
        try:
            stop = leg.walk(trial.chosen)
            final = leg.final(trial.chosen)
        except ChangeError as error:
            raise search.halt("the project's migrations cannot be read", str(error).splitlines()) from error
        if stop.failed is not None:
            why = f"migration {messages.way(stop.failed)}, which comes before, does not end well"
            raise search.halt(why, project.said(stop, trial.change))
        if leg.course.short_of is None:
            raise search.unknown()
        with site.turns.beside():
            ground.server.settle(ground.address)
    site.freeze(data)
    return Trail(
        before.start or by_chain({chain: plan.current for chain, plan in leg.course.plans.items()}),
        {**before.versions, **by_chain(final)},
        (*before.steps, *(evolve(each, limits=()) for each in leg.results if each.result == "ok")),
        before.files,
        (*before.fixups, *leg.course.done),
    )


@frozen
class _Search:
    """Ends a leg before the step that is meant, as soon as its chain shows itself. ``look_first`` is what the leg does
    then anyway."""

    version: str
    trial: Trial
    leg: Leg
    look_first: Callable[[Plan], None]
    seen: list[Step] = field(factory=list)

    def look(self, plan: Plan) -> None:
        """Raises Halt when it is clear that there is no such step."""
        self.look_first(plan)
        self.seen.extend(plan.steps)
        steps = meant(self.version, plan)
        if steps is None:
            return
        if not steps:
            raise self.unknown()
        if len(steps) > 1:
            raise self.halt("there are several such steps", [name_of(step) for step in steps])
        (self.leg.course.short_of,) = steps

    def unknown(self) -> Halt:
        """There is no such step in any chain that has shown itself."""
        there = [name_of(step) for step in self.seen]
        return self.halt("no step leads to it; these can be named" if there else "its leg has no steps", there)

    def halt(self, why: str, evidence: Iterable[str]) -> Halt:
        """The state is not to be had."""
        finding = messages.boundary_not_reached(self.version, why, evidence, self.trial.site.dataset.name)
        return Halt(finding, (*self.trial.state.trail.steps, *self.leg.results))
