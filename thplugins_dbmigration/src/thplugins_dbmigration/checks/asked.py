"""The checks that a job asks for, made one after the other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence

from attrs import frozen

from thcore.errors import InfrastructureError, StoppedError
from thcore.model import Check, Finding, Progress, Severity, Step, StepResult
from thplugins_dbmigration.checks import messages
from thplugins_dbmigration.checks.interruption import Victim, interrupted
from thplugins_dbmigration.checks.likeness import Likeness, schema_of
from thplugins_dbmigration.checks.rerun import ImpossibleError, Rerun
from thplugins_dbmigration.checks.round_trip import round_trip
from thplugins_dbmigration.checks.same_schema import same_schema
from thplugins_dbmigration.options import DbmigrationOptions, InterruptedRun, Weight
from thplugins_dbmigration.walk.ground import Ground
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.states import States
from thplugins_dbmigration.walk.trial import Trial

_VICTIMS: dict[InterruptedRun, tuple[Victim, ...]] = {
    InterruptedRun.OFF: (),
    InterruptedRun.CLIENT: ("client",),
    InterruptedRun.SERVER: ("server",),
    InterruptedRun.BOTH: ("client", "server"),
}
_NOT_MADE = {Weight.WARNING: Severity.WARNING, Weight.FAILURE: Severity.UNVERIFIED}
"""What it is when a check breaks: where it could have failed the build, the build has not passed."""


@frozen
class Asked:
    """A check to be made. ``step`` is the one that it is about, None where it is about all; ``make`` is given what the
    change has led the dataset to."""

    name: str
    make: Callable[[Likeness], Iterable[Check]]
    step: Step | None = None

    def unverified(self, *why: str) -> Check:
        """It could not be made."""
        return Check(self.name, "unverified", self.step.version if self.step else "", why)


def look(ground: Ground, options: DbmigrationOptions) -> Likeness | InfrastructureError:
    """What the change has led a dataset to, as far as the job's checks want to know; or why it cannot be seen."""
    try:
        if options.interrupted_run is not InterruptedRun.OFF:
            return Likeness.of(ground)
        return Likeness(schema_of(ground) if options.same_schema else {})
    except InfrastructureError as error:
        return error


def asked(
    trial: Trial, states: States, results: Sequence[StepResult], end: Likeness | InfrastructureError
) -> tuple[tuple[Check, ...], tuple[Finding, ...]]:
    """Make what the job asks for, and say what is wrong. ``results`` are those of the change's leg, ``end`` is what
    ``look`` has seen after it. Raises only CancelledError and DeadlineError: what was found of the steps stands."""
    checks: list[Check] = []
    findings: list[Finding] = []
    dataset, weight = trial.site.dataset.name, trial.manner.options.checks
    for wanted in _wanted(trial, states, results):
        made, severity = _made(trial, wanted, results, end)
        checks += made
        findings += [
            messages.finding(check, wanted.step, dataset, severity or Severity(weight.value))
            for check in made
            if check.result != "ok"
        ]
    return tuple(checks), tuple(findings)


def _made(
    trial: Trial, wanted: Asked, results: Sequence[StepResult], end: Likeness | InfrastructureError
) -> tuple[list[Check], Severity | None]:
    """A check, and what it is that it could not be made."""
    build, dataset = trial.site.build, trial.site.dataset.name
    told = f"check {wanted.name}" + (f" of {wanted.step.version}" if wanted.step else "")
    build.emit(Progress(f"{dataset}: {told}"))
    build.log(f"{told} starts", source=dataset)
    try:
        if not all(result.result == "ok" for result in results):
            raise ImpossibleError("the change's steps did not end well")
        if isinstance(end, InfrastructureError):
            raise end
        return list(wanted.make(end)), None
    except StoppedError:
        raise
    except ImpossibleError as reason:
        return [wanted.unverified(str(reason))], Severity.INFO
    except Halt as halt:
        return [wanted.unverified(halt.finding.message, *halt.finding.evidence)], _NOT_MADE[trial.manner.options.checks]
    except Exception as error:  # noqa: BLE001 - whatever it is, the verdict on the steps stands
        build.log(traceback.format_exc(), source=dataset)
        return [wanted.unverified(*str(error).splitlines())], _NOT_MADE[trial.manner.options.checks]


def _wanted(trial: Trial, states: States, results: Sequence[StepResult]) -> Iterator[Asked]:
    options = trial.manner.options
    first = next((number for number, result in enumerate(results) if result.added), None)
    if first is None:
        return
    rerun, steps = Rerun(trial, results[0].step), [result.step for result in results[first:]]
    if options.same_schema:
        yield Asked("same-schema", lambda end: same_schema(trial, states, end.schema))
    if options.round_trip:
        yield Asked("round-trip", lambda _end: [round_trip(rerun, steps)])
    for result in results[first:]:
        for victim in _VICTIMS[options.interrupted_run] if result.added else ():
            yield Asked(f"interrupted-{victim}", _breaking(rerun, result, victim), result.step)


def _breaking(rerun: Rerun, result: StepResult, victim: Victim) -> Callable[[Likeness], list[Check]]:
    return lambda end: [interrupted(rerun, result, victim, end)]
