"""The stages of a build in their order. The only place that knows it.

A stage that fails ends the ones that build on it; analyse and publish always run, so that a failure has evidence. A
cancel skips analyse and publish as well: nobody is waiting for the answer any more.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from attrs import evolve, field, frozen

from thcore.errors import StoppedError
from thcore.hooks import Workspace
from thcore.model import (
    BuildEventKind,
    BuildRequest,
    Checkout,
    Environment,
    Execution,
    Finding,
    Outcome,
    Secret,
    Severity,
    StageName,
    StageResult,
    Verdict,
    WorkerInfo,
)
from thcore.pipeline import build as stages
from thcore.pipeline import evidence, verdict
from thcore.pipeline.build import Emit, Recollect, Remember, StageBuild
from thcore.pipeline.evidence import EvidenceTime
from thcore.pipeline.live import Live, Pace
from thcore.pipeline.plan import Plan
from thcore.pipeline.record import PUBLISH_FAILED, PUBLISH_SUPERSEDED, Record, blanked, now, write_result
from thcore.plugins import Plugins
from thcore.process.buildlog import BuildLog
from thcore.process.interrupt import Interrupt

T = TypeVar("T")

EVIDENCE_S = 300.0
"""How long analysing and publishing may take once the build's own time is over, in seconds."""


@frozen(eq=False)
class Surroundings:
    """What a build needs to know of the worker it runs in."""

    plugins: Plugins
    worker: WorkerInfo
    state: Path
    secrets: Mapping[str, Secret] = field(factory=dict)
    grace_s: float = 10.0
    recollect: Recollect = stages.nothing
    remember: Remember = stages.nobody
    """What the worker remembers of steps, and of jobs."""
    pace: Pace = field(factory=Pace)
    """How often a build's page is put up while it runs."""


def _nobody(_outcome: Outcome) -> None:
    """Nobody wants to hear it."""


def run(
    request: BuildRequest,
    attempt: int,
    plan: Plan,
    surroundings: Surroundings,
    workspace: Workspace,
    interrupt: Interrupt,
    emit: Emit,
    judged: Callable[[Outcome], None] = _nobody,
) -> Outcome:
    """Do a whole build. Never raises on account of the build: whatever goes wrong is in the outcome.

    Runs in the child process that owns the build (or in ``thcore run``). result.json lies in the workspace's
    artifacts afterwards. ``judged`` is told the outcome as soon as the verdict is known, before it is published: should
    a publisher take this process along, the verdict is not lost.
    """
    started = now()
    record = Record()
    with (
        opened(request, attempt, plan, surroundings, workspace, interrupt, emit) as plain,
        Live(plain, record, surroundings.worker, started, surroundings.pace) as live,
    ):
        build = live.build
        build.tell(BuildEventKind.STARTED, str(request.change))
        build.log(f"build {request.id} of job {request.job}, attempt {attempt}: {request.change}")
        _work(build, record)
        with EvidenceTime(interrupt, time.monotonic() + EVIDENCE_S) as left:
            outcome = _conclude(evolve(build, interrupt=left), record, surroundings.worker, started, judged, live)
        build.tell(BuildEventKind.ENDED, outcome.verdict.value)
    return outcome


def publish_again(
    request: BuildRequest,
    outcome: Outcome,
    publishers: tuple[str, ...],
    plan: Plan,
    surroundings: Surroundings,
    workspace: Workspace,
    interrupt: Interrupt,
    emit: Emit,
) -> Outcome:
    """Publish the evidence of a build that has its verdict: after the death of its process, or when a target is back.

    Runs in a child process. Only the named ``publishers`` are asked. Answers the outcome with what has become of their
    publications; verdict and times stay.
    """
    record = Record(
        [run for run in outcome.stages if run.name is not StageName.PUBLISH],
        [found for found in outcome.findings if (found.code, found.plugin) not in _failures(publishers)],
        [publication for publication in outcome.publications if publication.plugin not in publishers],
    )
    with opened(request, outcome.attempt, plan, surroundings, workspace, interrupt, emit) as build:
        listed = evolve(outcome, artifacts=evidence.files(workspace.artifacts))

        def published() -> Outcome:
            findings = tuple(blanked(build, found) for found in verdict.by_weight(record.findings))
            publications, run_so_far = tuple(record.publications), tuple(record.stages)
            return evolve(listed, findings=findings, publications=publications, stages=run_so_far)

        write_result(build, published())
        _each(build, record, publishers, StageName.PUBLISH, lambda view: _publish(view, record, published()))
        if record.cancelled is not None:  # nobody knows of those that had not their turn, or not to the end
            record.findings.extend(_interrupted(record, publishers))
        write_result(build, published())
        return published()


def _interrupted(record: Record, publishers: tuple[str, ...]) -> Iterator[Finding]:
    told = {found.plugin for found in record.findings if found.code in {PUBLISH_FAILED, PUBLISH_SUPERSEDED}}
    done = {publication.plugin for publication in record.publications}
    for name in publishers:
        if name not in told | done:
            message = f"publishing was interrupted: {record.cancelled}"
            yield Finding(PUBLISH_FAILED, Severity.WARNING, message, plugin=name)


def _failures(publishers: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    return frozenset((PUBLISH_FAILED, name) for name in publishers)


@contextmanager
def opened(
    request: BuildRequest,
    attempt: int,
    plan: Plan,
    surroundings: Surroundings,
    workspace: Workspace,
    interrupt: Interrupt,
    emit: Emit,
) -> Iterator[StageBuild]:
    """A build with its log open, as stages are given it. Leaving closes the log."""
    secrets = [secret.reveal() for secret in surroundings.secrets.values() if secret]
    with BuildLog(workspace.log, secrets=secrets) as log:
        yield StageBuild(
            request,
            attempt,
            request.change,
            workspace,
            plan,
            surroundings.plugins,
            surroundings.state,
            surroundings.secrets,
            log,
            interrupt,
            emit,
            surroundings.grace_s,
            surroundings.recollect,
            surroundings.remember,
        )


def _work(build: StageBuild, record: Record) -> None:
    """Stages 1 to 3."""
    source = _stage(build, record, StageName.CHECKOUT, stages.checkout)
    record.checkout = source
    if source is None:
        return record.skip(StageName.ENVIRONMENT, StageName.EXECUTE)
    environment = _stage(build, record, StageName.ENVIRONMENT, lambda view: _environment(view, source))
    if environment is None:
        return record.skip(StageName.EXECUTE)
    execution = _stage(build, record, StageName.EXECUTE, lambda view: _execute(view, source, environment))
    if execution is not None:
        record.execution = execution
        record.findings.extend(execution.findings)
    return None


def _environment(build: StageBuild, source: Checkout) -> Environment:
    environment = stages.environment(build, source)
    if environment.description:
        evidence.write(build.workspace, "environment.txt", "\n".join(environment.description) + "\n")
    return environment


def _execute(build: StageBuild, source: Checkout, environment: Environment) -> Execution:
    (name,) = build.plan.stages[StageName.EXECUTE]
    execution = build.plugins.execute(name, build.view(name), build.plan.options.get(name), source, environment)
    for artifact in execution.artifacts:
        evidence.collect(build.workspace, artifact)
    return evolve(execution, findings=tuple(evolve(finding, plugin=name) for finding in execution.findings))


def _conclude(
    build: StageBuild,
    record: Record,
    worker: WorkerInfo,
    started: datetime.datetime,
    judged: Callable[[Outcome], None],
    live: Live,
) -> Outcome:
    """Stages 4 and 5, and the outcome."""
    shown: tuple[str, ...] = ()
    if record.cancelled is None:
        names = build.plan.stages[StageName.ANALYSE]
        _each(build, record, names, StageName.ANALYSE, lambda view: _analyse(view, record))
    else:
        record.skip(StageName.ANALYSE)
    if record.cancelled is None:
        before = record.outcome(build, worker, started)
        judged(before)
        live.end(before.verdict, before.summary)
        write_result(build, before)
        names = build.plan.stages[StageName.PUBLISH]
        _each(build, record, names, StageName.PUBLISH, lambda view: _publish(view, record, before))
        shown = live.shown if record.cancelled is not None else ()
    else:
        record.skip(StageName.PUBLISH)
        shown = live.end(Verdict.CANCELLED, f"Cancelled: {record.cancelled}")
    # A page that nobody can take back now must not say for ever that the build runs.
    record.findings.extend(_interrupted(record, shown))
    final = record.outcome(build, worker, started)
    build.log(f"verdict {final.verdict.value}: {final.summary}")
    write_result(build, final)
    return final


def _analyse(view: StageBuild, record: Record) -> None:
    record.findings.extend(view.plugins.analyse(view.plugin, view, view.options, record.execution))


def _publish(view: StageBuild, record: Record, outcome: Outcome) -> None:
    findings = tuple(blanked(view, finding) for finding in verdict.by_weight(record.findings))
    so_far = evolve(outcome, publications=tuple(record.publications), findings=findings)
    publication = view.plugins.publish(view.plugin, view, view.options, so_far)
    if publication is not None:
        record.publications.append(publication)


def _each(
    build: StageBuild,
    record: Record,
    names: tuple[str, ...],
    stage: StageName,
    work: Callable[[StageBuild], None],
) -> None:
    """Run one of the last two stages: every plugin does its part, and none stops another. A cancel ends them all."""
    view = build.view("", stage)
    began = _begin(view)
    result = StageResult.OK
    for name in names:
        try:
            build.check()
            work(view.view(name))
        except Exception as error:  # noqa: BLE001 - an analyser that broke has not passed the change
            result = record.fail(view, stage, name, error)
            if result is StageResult.STOPPED:
                break
    record.end(view, result, began, names)


def _stage(build: StageBuild, record: Record, stage: StageName, work: Callable[[StageBuild], T]) -> T | None:
    """Run one of the first three stages; None when it did not succeed."""
    names = build.plan.stages[stage]
    view = build.view("", stage)
    began = _begin(view)
    result = StageResult.OK
    answer: T | None = None
    try:
        build.check()
        answer = work(view)
        build.check()
    except StoppedError as stopped:
        result, answer = StageResult.STOPPED, None
        record.stop(stage, stopped)
    except Exception as error:  # noqa: BLE001 - whatever a stage does, the build has an outcome
        result, answer = record.fail(view, stage, names[0] if names else None, error), None
    record.end(view, result, began, names)
    return answer


def _begin(view: StageBuild) -> datetime.datetime:
    view.tell(BuildEventKind.STAGE_STARTED)
    return now()
