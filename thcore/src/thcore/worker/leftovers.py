"""What a worker that died has left behind, put away at the next start."""

from __future__ import annotations

import datetime
import logging
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import Finding, Outcome, Severity, StageName, Verdict
from thcore.monitoring.action import BuildLogger, event
from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.process import cgroups, group, kin
from thcore.process.belongings import working_for
from thcore.process.cgroups import Cgroup
from thcore.worker.courier import failed
from thcore.worker.generation import Generation
from thcore.worker.journal import LOST, AttemptEntry, BuildEntry
from thcore.worker.supervise import Stores, put_away

log = logging.getLogger(__name__)


def clear(stores: Stores, generation: Generation) -> tuple[Outcome, ...]:
    """End and clean up every attempt that is not put away; answers what those amount to that had no verdict yet.

    Its processes are those in its control group, its child process with all below it, and whatever works for its
    workspace; never one that merely has the same number. What they had to say is published like that of any other
    attempt. Control groups and workspaces that the journal does not know are removed as well: the state directory and
    the work directory belong to this worker alone.
    """
    outcomes = []
    for build, attempt in stores.journal.unfinished():
        told = BuildLogger(log, build=build.request.id, attempt=attempt.attempt, job=build.request.job)
        told.warning("it was left behind by a worker that died; cleaning up", extra=event("attempt_found"))
        _end_processes(attempt, generation.config.kill_grace)
        if attempt.verdict is None:
            outcome = _outcome(build, attempt, generation)
            _keep(stores, build, outcome, Workspace(Path(attempt.workspace)), generation)
            stores.journal.judge(build.request.id, attempt.attempt, LOST, outcome.summary)
            outcomes.append(outcome)
        put_away(build.request, attempt, generation)
        stores.journal.end(build.request.id, attempt.attempt, answered=attempt.answered)
    place = cgroups.place(generation.config.directories.state)
    if place is not None:
        for unknown in place.groups():
            _end_group(unknown, generation.config.kill_grace)
        place.remove()
    if stores.work.is_dir():
        for path in stores.work.iterdir():
            workspace.remove(path)
    return tuple(outcomes)


def _keep(stores: Stores, build: BuildEntry, outcome: Outcome, place: Workspace, generation: Generation) -> None:
    """Keep the evidence: in the spool, from where it is published unless a later attempt is already."""
    if not place.artifacts.is_dir():
        return
    stores.evidence.keep(build.request.id, outcome.attempt, place)
    plan = generation.plans.get(build.request.job)
    publishers = plan.stages[StageName.PUBLISH] if plan else ()
    if publishers:
        try:
            kept = stores.spool.put(build.request, failed(outcome, publishers, outcome.summary), publishers, place)
            stores.spool.release(kept, answered=False)
        except InfrastructureError as error:
            log.error("%s", error, extra=event("result_spooled", build=build.request.id))


def _outcome(build: BuildEntry, attempt: AttemptEntry, generation: Generation) -> Outcome:
    request = build.request
    found = Finding(
        "worker-died",
        Severity.UNVERIFIED,
        "The worker died while it did the build",
        hint="Another attempt is under way or will be; this is not the change's fault.",
    )
    began = datetime.datetime.fromtimestamp(attempt.began, datetime.UTC)
    plan = generation.plans.get(request.job)
    return Outcome(
        job=request.job,
        build=request.id,
        attempt=attempt.attempt,
        change=request.change,
        log_path=request.log_path,
        verdict=Verdict.UNVERIFIED,
        summary=found.message,
        worker=generation.surroundings.worker,
        started=began,
        ended=datetime.datetime.now(datetime.UTC),
        plugins=plan.infos if plan else (),
        findings=(found,),
    )


def _end_processes(attempt: AttemptEntry, grace_s: float) -> None:
    if attempt.cgroup is not None:
        _end_group(Cgroup(Path(attempt.cgroup)), grace_s)
    mark = (WORKSPACE_VARIABLE, attempt.workspace)
    found = working_for(Path(attempt.workspace), mark, attempt.process)
    if attempt.process is not None and attempt.process.alive():
        found.extend(kin.tree(attempt.process.pid))
    group.end_these(found, grace_s)


def _end_group(cgroup: Cgroup, grace_s: float) -> None:
    if not cgroup.end(grace_s):
        processes = sorted(cgroup.processes())
        log.warning("processes %s of %s cannot be ended", processes, cgroup.path, extra=event("cleanup_failed"))
