"""What is known of a build while it runs, and the outcome that it amounts to."""

from __future__ import annotations

import datetime

from attrs import define, evolve, field

from thcore.errors import CancelledError, DeadlineError, StoppedError
from thcore.model import (
    BuildEventKind,
    Checkout,
    Execution,
    Finding,
    Outcome,
    Publication,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Verdict,
    WorkerInfo,
)
from thcore.model.document import to_json
from thcore.model.quantity import format_duration
from thcore.pipeline import evidence, fault, verdict
from thcore.pipeline.build import StageBuild

PUBLISH_FAILED = "publish-failed"
"""Code of the finding that evidence did not reach a target. It is worth another try."""
PUBLISH_SUPERSEDED = "publish-superseded"
"""Code of the finding that a later attempt is published already. Another try would be wrong."""


@define
class Record:
    """The stages, findings and publications of a build so far. ``cancelled`` is the reason of a cancel."""

    stages: list[StageRun] = field(factory=list)
    findings: list[Finding] = field(factory=list)
    publications: list[Publication] = field(factory=list)
    checkout: Checkout | None = None
    execution: Execution = field(factory=Execution)
    cancelled: str | None = None
    timed_out: bool = False

    def skip(self, *names: StageName) -> None:
        """Note that stages are not run."""
        self.stages.extend(StageRun(name, StageResult.SKIPPED) for name in names)

    def stop(self, stage: StageName, stopped: StoppedError) -> None:
        """Note that a stage was told to end."""
        if isinstance(stopped, DeadlineError):
            self.timed_out = True
            self.findings.append(fault.timed_out(stage, stopped))
        else:
            self.cancelled = str(stopped)

    def fail(self, view: StageBuild, stage: StageName, plugin: str | None, error: Exception) -> StageResult:
        """Note the error that ended a plugin's part in a stage; answers what became of the stage."""
        if view.interrupt.cancelled is not None:  # what breaks when it is told to end says nothing
            self.stop(stage, CancelledError(view.interrupt.cancelled))
            return StageResult.STOPPED
        found = fault.finding(error, stage, plugin)
        if stage is StageName.PUBLISH:  # the verdict stays
            code = PUBLISH_SUPERSEDED if found.code == PUBLISH_SUPERSEDED else PUBLISH_FAILED
            found = evolve(found, code=code, severity=Severity.WARNING)
        self.findings.append(found)
        view.log(f"{found.code}: {found.message}")
        return StageResult.FAILED

    def end(self, view: StageBuild, result: StageResult, began: datetime.datetime, plugins: tuple[str, ...]) -> None:
        """Note how a stage ended, and tell it."""
        if view.stage is None:
            raise AssertionError("a stage ends as itself")
        run = StageRun(view.stage, result, began, now(), plugins)
        self.stages.append(run)
        view.log(f"stage {view.stage.value}: {result.value} in {format_duration(run.duration_s)}")
        view.tell(BuildEventKind.STAGE_ENDED, result.value)

    def outcome(self, build: StageBuild, worker: WorkerInfo, started: datetime.datetime) -> Outcome:
        """The outcome as things stand."""
        judged, summary = verdict.judge(self.findings, cancelled=self.cancelled)
        if judged is Verdict.SUCCESS and self.execution.message:
            summary = self.execution.message.splitlines()[0]
        return Outcome(
            job=build.job,
            build=build.id,
            attempt=build.attempt,
            change=build.request.change,
            log_path=build.log_path,
            verdict=judged,
            summary=blank(build, summary),
            worker=worker,
            started=started,
            ended=now(),
            commit=self.checkout.commit if self.checkout else None,
            timed_out=self.timed_out,
            stages=tuple(self.stages),
            plugins=build.plan.infos,
            datasets=self.execution.datasets,
            findings=tuple(blanked(build, finding) for finding in verdict.by_weight(self.findings)),
            artifacts=evidence.files(build.workspace.artifacts),
            publications=tuple(self.publications),
        )


def blanked(build: StageBuild, finding: Finding) -> Finding:
    """A finding without the secrets of the configuration: what a library says when it fails may quote them."""
    return evolve(
        finding,
        message=blank(build, finding.message),
        evidence=tuple(blank(build, line) for line in finding.evidence),
        hint=None if finding.hint is None else blank(build, finding.hint),
        command=None if finding.command is None else blank(build, finding.command),
    )


def unpublished(outcome: Outcome) -> tuple[str, ...]:
    """The publishers of an outcome whose target did not take the evidence; another try may help."""
    return tuple(
        dict.fromkeys(found.plugin for found in outcome.findings if found.code == PUBLISH_FAILED and found.plugin)
    )


def write_result(build: StageBuild, outcome: Outcome) -> None:
    """Write result.json. A disk that is full here must not lose the outcome, which travels by another way too."""
    try:
        listed = tuple(sorted({*outcome.artifacts, "result.json"}))
        evidence.write(build.workspace, "result.json", to_json(evolve(outcome, artifacts=listed)))
    except OSError as error:
        build.log(f"result.json was not written: {error}")


def now() -> datetime.datetime:
    """The time, aware, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def blank(build: StageBuild, text: str) -> str:
    """A text without the secrets of the configuration."""
    plain = text.encode("utf-8", "surrogatepass")
    return build.build_log.redaction.apply(plain).decode("utf-8", "surrogatepass")
