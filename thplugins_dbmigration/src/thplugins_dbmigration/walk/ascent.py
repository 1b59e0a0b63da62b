"""A leg that leads from one state of a dataset to the next, with the code of a release or of the target branch."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Finding, Provision, StepResult
from thplugins_dbmigration import faults, messages, project
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.faults import Evidence
from thplugins_dbmigration.tools.tool import Plan, Stop
from thplugins_dbmigration.walk.course import Course, listed
from thplugins_dbmigration.walk.ground import Ground, Site
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.leg import Leg
from thplugins_dbmigration.walk.route import Waypoint
from thplugins_dbmigration.walk.sources import Sources
from thplugins_dbmigration.walk.trail import Trail, by_chain


def ascend(site: Site, ground: Ground, waypoint: Waypoint, provision: Provision, before: Trail) -> Trail:
    """Walk from the state that ``before`` led to, and answer the whole way.

    Raises Halt when it does not get there, and InfrastructureError for a fault of ours.
    """
    dataset = site.dataset
    course = Course(waypoint.targets, list(waypoint.fixups))
    results: list[StepResult] = []
    try:
        chosen = project.choose_tool(site.build, waypoint.manner, provision)
        made = project.project(
            site.build,
            waypoint.manner,
            provision,
            ground.address,
            ground.server,
            config=site.place / waypoint.label.replace("/", "-"),
        )
        leg = Leg(site.build, site.turns, dataset, site.engine.name, made, course, name=waypoint.label, results=results)
        if not before.start:
            leg.look = lambda plan: check_start(dataset, plan)
        stop = leg.walk(chosen)
        final = leg.final(chosen)
    except ChangeError as error:
        finding = messages.not_usable(waypoint.kind, waypoint.name, error, dataset.name)
        raise Halt(finding, (*before.steps, *results)) from error
    except InfrastructureError as error:
        raise InfrastructureError(f"{waypoint.label}: {error}", code=error.code) from error
    walked = (*before.steps, *results)
    if stop.failed is not None:
        raise Halt(_failed(waypoint, dataset, provision, stop, leg.evidence), walked)
    missed = course.missed(final, leg.walked)
    if missed:
        where = listed(waypoint.targets) if waypoint.targets else "its head"
        raise Halt(lost(waypoint, dataset, f"it does not reach {where}", missed), walked)
    return Trail(
        before.start or by_chain({chain: plan.current for chain, plan in course.plans.items()}),
        {**before.versions, **by_chain(final)},
        tuple(evolve(result, limits=()) for result in walked),
        Sources(provision.checkout.path).digests({result.step.path for result in walked if result.step.path}),
        tuple(course.done) if waypoint.kind == "trunk" else (),
    )


def lost(waypoint: Waypoint, dataset: Dataset, why: str, evidence: Iterable[str]) -> Finding:
    """A waypoint that is not reached, for any reason."""
    return messages.not_reached(waypoint.kind, waypoint.name, why, evidence, dataset.name)


def check_start(dataset: Dataset, plan: Plan) -> None:
    """Make sure that the seed is where config.json says: of several versions, at those that it names. Raises Halt."""
    pairs = [text.rpartition(":")[::2] for text in dataset.start]
    wanted = frozenset(version for chain, version in pairs if chain == plan.chain)
    if not wanted <= plan.current:
        error = InfrastructureError(
            f"the seed is at {listed(plan.current)}, but config.json says start: {listed(wanted)}"
        )
        raise Halt(messages.seed_not_set_up(error, dataset.name))


def _failed(waypoint: Waypoint, dataset: Dataset, provision: Provision, stop: Stop, known: Evidence) -> Finding:
    step = stop.failed
    assert step is not None, "asked for only then"  # noqa: S101 - for the type checker
    evidence = project.said(stop, provision)
    fault = faults.machine_fault(evidence, known)
    if fault is not None:
        return messages.machine_fault(step, dataset.name, fault, evidence)
    what = "of the branch" if waypoint.kind == "trunk" else "of its own"
    why = f"migration {messages.way(step)} {what} does not end well"
    return messages.not_reached(waypoint.kind, waypoint.name, why, evidence, dataset.name, step)
