"""What a worker that died has left behind, put away at the next start."""

from __future__ import annotations

import contextlib
import datetime
import logging
from pathlib import Path

import psutil

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import Finding, Outcome, Severity, StageName, Verdict
from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.process import group
from thcore.worker.courier import failed
from thcore.worker.generation import Generation
from thcore.worker.journal import LOST, AttemptEntry, BuildEntry
from thcore.worker.supervise import Stores, put_away

log = logging.getLogger(__name__)

_SAME_START_S = 0.1
"""Within how many seconds two start times of a pid are the same process's; the kernel counts in hundredths."""


def clear(stores: Stores, generation: Generation) -> tuple[Outcome, ...]:
    """End and clean up every attempt without an end; answers what they amount to.

    Its processes are recognised by the name of the workspace in their environment, never by a pid, which may be
    another process's by now. What they had to say is published like that of any other attempt. Workspaces that the
    journal does not know are removed as well; the work directory belongs to this worker alone.
    """
    outcomes = []
    for build, attempt in stores.journal.unfinished():
        log.warning(
            "build %s attempt %s was left behind by a worker that died; cleaning up", build.request.id, attempt.attempt
        )
        group.end_these(_processes(attempt), generation.config.kill_grace)
        outcome = _outcome(build, attempt, generation)
        _keep(stores, build, outcome, Workspace(Path(attempt.workspace)), generation)
        put_away(build.request, attempt, generation)
        stores.journal.end(build.request.id, attempt.attempt, LOST, outcome.summary, answered=False)
        outcomes.append(outcome)
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
            stores.spool.put(build.request, failed(outcome, publishers, outcome.summary), publishers, place)
        except InfrastructureError as error:
            log.error("build %s: %s", build.request.id, error)


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


def _processes(entry: AttemptEntry) -> list[psutil.Process]:
    """Everything that runs on behalf of an attempt: its programs, and its child process by pid and start time."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            same_child = process.pid == entry.pid and abs(process.create_time() - entry.pid_started) < _SAME_START_S
            if same_child or process.environ().get(WORKSPACE_VARIABLE) == entry.workspace:
                found.append(process)
    return found
