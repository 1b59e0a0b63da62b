"""The stages of a build in their order. The only place that knows it.

A stage that fails ends the ones that build on it; analyse and publish always run, so that a failure has evidence. A
cancel skips analyse and publish as well: nobody is waiting for the answer any more.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from attrs import define, evolve, field, frozen

from thcore.errors import (
    CancelledError,
    DeadlineError,
    StoppedError,
)
from thcore.hooks import Workspace
from thcore.model import (
    BuildEventKind,
    BuildRequest,
    Checkout,
    Environment,
    Execution,
    Finding,
    Outcome,
    Publication,
    Secret,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Verdict,
    WorkerInfo,
)
from thcore.model.document import to_json
from thcore.model.quantity import format_duration
from thcore.pipeline import build as stages
from thcore.pipeline import evidence, fault, verdict
from thcore.pipeline.build import Emit, StageBuild
from thcore.pipeline.evidence import EvidenceTime
from thcore.pipeline.plan import Plan
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


@define
class _Record:
    """What is known of the build so far."""

    stages: list[StageRun] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    publications: list[Publication] = field(factory=list)
    checkout: Checkout | None = None
    execution: Execution = field(factory=Execution)
    cancelled: str | None = None
    timed_out: bool = False


def run(
    request: BuildRequest,
    attempt: int,
    plan: Plan,
    surroundings: Surroundings,
    workspace: Workspace,
    interrupt: Interrupt,
    emit: Emit,
) -> Outcome:
    """Do a whole build. Never raises on account of the build: whatever goes wrong is in the outcome.

    Runs in the child process that owns the build (or in ``thcore run``). result.json lies in the workspace's
    artifacts afterwards.
    """
    started = _now()
    record = _Record()
    secrets = [secret.reveal() for secret in surroundings.secrets.values() if secret]
    with BuildLog(workspace.log, secrets=secrets) as log:
        build = StageBuild(
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
        )
        build.tell(BuildEventKind.STARTED, str(request.change))
        log.write(f"build {request.id} of job {request.job}, attempt {attempt}: {request.change}")
        _work(build, record)
        with EvidenceTime(interrupt, time.monotonic() + EVIDENCE_S) as left:
            outcome = _conclude(evolve(build, interrupt=left), record, surroundings.worker, started)
        build.tell(BuildEventKind.ENDED, outcome.verdict.value)
    return outcome


def _work(build: StageBuild, record: _Record) -> None:
    """Stages 1 to 3."""
    source = _stage(build, record, StageName.CHECKOUT, stages.checkout)
    record.checkout = source
    if source is None:
        return _skip(record, StageName.ENVIRONMENT, StageName.EXECUTE)
    environment = _stage(build, record, StageName.ENVIRONMENT, lambda view: _environment(view, source))
    if environment is None:
        return _skip(record, StageName.EXECUTE)
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


def _conclude(build: StageBuild, record: _Record, worker: WorkerInfo, started: datetime.datetime) -> Outcome:
    """Stages 4 and 5, and the outcome."""

    def outcome() -> Outcome:
        return _outcome(build, record, worker, started)

    if record.cancelled is None:
        _each(build, record, StageName.ANALYSE, lambda view: _analyse(view, record))
    else:
        _skip(record, StageName.ANALYSE)
    if record.cancelled is None:
        before = outcome()
        _write_result(build, before)
        _each(build, record, StageName.PUBLISH, lambda view: _publish(view, record, before))
    else:
        _skip(record, StageName.PUBLISH)
    final = outcome()
    build.log(f"verdict {final.verdict.value}: {final.summary}")
    _write_result(build, final)
    return final


def _analyse(view: StageBuild, record: _Record) -> None:
    record.findings.extend(view.plugins.analyse(view.plugin, view, view.options, record.execution))


def _publish(view: StageBuild, record: _Record, outcome: Outcome) -> None:
    findings = tuple(_blanked(view, finding) for finding in verdict.by_weight(record.findings))
    so_far = evolve(outcome, publications=tuple(record.publications), findings=findings)
    publication = view.plugins.publish(view.plugin, view, view.options, so_far)
    if publication is not None:
        record.publications.append(publication)


def _each(build: StageBuild, record: _Record, stage: StageName, work: Callable[[StageBuild], None]) -> None:
    """Run one of the last two stages: every plugin does its part, and none stops another. A cancel ends them all."""
    names = build.plan.stages[stage]
    view = build.view("", stage)
    began = _begin(view)
    result = StageResult.OK
    for name in names:
        try:
            build.check()
            work(view.view(name))
        except Exception as error:  # noqa: BLE001 - an analyser that broke has not passed the change
            if build.interrupt.cancelled is not None:
                record.cancelled, result = build.interrupt.cancelled, StageResult.STOPPED
                break
            result = StageResult.FAILED
            found = fault.finding(error, stage, name)
            if stage is StageName.PUBLISH:  # the verdict stays
                found = evolve(found, code="publish-failed", severity=Severity.WARNING)
            record.findings.append(found)
            view.log(f"{found.code}: {found.message}")
    _end(view, record, result, began, names)


def _stage(build: StageBuild, record: _Record, stage: StageName, work: Callable[[StageBuild], T]) -> T | None:
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
        _stopped(record, stage, stopped)
    except Exception as error:  # noqa: BLE001 - whatever a stage does, the build has an outcome
        if build.interrupt.cancelled is not None:  # what breaks when it is told to end says nothing
            _stopped(record, stage, CancelledError(build.interrupt.cancelled))
            _end(view, record, StageResult.STOPPED, began, names)
            return None
        result, answer = StageResult.FAILED, None
        record.findings.append(fault.finding(error, stage, names[0] if names else None))
        view.log(f"{record.findings[-1].code}: {record.findings[-1].message}")
    _end(view, record, result, began, names)
    return answer


def _begin(view: StageBuild) -> datetime.datetime:
    view.tell(BuildEventKind.STAGE_STARTED)
    return _now()


def _end(
    view: StageBuild, record: _Record, result: StageResult, began: datetime.datetime, names: tuple[str, ...]
) -> None:
    if view.stage is None:
        raise AssertionError("a stage ends as itself")
    run_ = StageRun(view.stage, result, began, _now(), names)
    record.stages.append(run_)
    view.log(f"stage {view.stage.value}: {result.value} in {format_duration(run_.duration_s)}")
    view.tell(BuildEventKind.STAGE_ENDED, result.value)


def _skip(record: _Record, *names: StageName) -> None:
    record.stages.extend(StageRun(name, StageResult.SKIPPED) for name in names)


def _stopped(record: _Record, stage: StageName, stopped: StoppedError) -> None:
    if isinstance(stopped, DeadlineError):
        record.timed_out = True
        record.findings.append(fault.timed_out(stage, stopped))
    else:
        record.cancelled = str(stopped)


def _outcome(build: StageBuild, record: _Record, worker: WorkerInfo, started: datetime.datetime) -> Outcome:
    judged, summary = verdict.judge(record.findings, cancelled=record.cancelled)
    if judged is Verdict.SUCCESS and record.execution.message:
        summary = record.execution.message.splitlines()[0]
    return Outcome(
        job=build.job,
        build=build.id,
        attempt=build.attempt,
        change=build.request.change,
        log_path=build.log_path,
        verdict=judged,
        summary=_blank(build, summary),
        worker=worker,
        started=started,
        ended=_now(),
        commit=record.checkout.commit if record.checkout else None,
        timed_out=record.timed_out,
        stages=tuple(record.stages),
        plugins=build.plan.infos,
        datasets=record.execution.datasets,
        findings=tuple(_blanked(build, finding) for finding in verdict.by_weight(record.findings)),
        artifacts=evidence.files(build.workspace.artifacts),
        publications=tuple(record.publications),
    )


def _blanked(build: StageBuild, finding: Finding) -> Finding:
    """A finding without the secrets of the configuration: what a library says when it fails may quote them."""
    return evolve(
        finding,
        message=_blank(build, finding.message),
        evidence=tuple(_blank(build, line) for line in finding.evidence),
        hint=None if finding.hint is None else _blank(build, finding.hint),
    )


def _blank(build: StageBuild, text: str) -> str:
    plain = text.encode("utf-8", "surrogatepass")
    return build.build_log.redaction.apply(plain).decode("utf-8", "surrogatepass")


def _write_result(build: StageBuild, outcome: Outcome) -> None:
    """Write result.json. A disk that is full here must not lose the outcome, which travels by another way too."""
    try:
        listed = tuple(sorted({*outcome.artifacts, "result.json"}))
        evidence.write(build.workspace, "result.json", to_json(evolve(outcome, artifacts=listed)))
    except OSError as error:
        build.log(f"result.json was not written: {error}")


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
