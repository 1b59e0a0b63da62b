"""What the gate says, word for word as its users know it, each with a code that scripts may rely on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from thcore.errors import ChangeError, InfrastructureError
from thcore.model import Finding, Location, Loss, Severity, Step
from thplugins_dbmigration.faults import Fault

NOT_ENDED = "FAILURE - Did not find the end of a migration after a start"
TOO_LONG = "WARNING - Migration %s took too long"
MISMATCH = "FAILURE - Final schema version does not match expectation"
NOT_SET_UP = "FAILURE - Could not setup seed database."
NOT_FOUND = "FAILURE - Could not find seed database."
NOT_IMPORTED = "FAILURE - Could not import required module."

READ_THE_LOG = "Read the log from where this step starts."


def way(step: Step) -> str:
    """A step as limits and messages name it: ``151->152``."""
    return f"{'+'.join(step.parents) or 'base'}->{step.version}"


def seed_not_found(why: str, dataset: str | None = None) -> Finding:
    """There is nothing to test with. It is never a pass."""
    return Finding(
        "seed-not-found",
        Severity.UNVERIFIED,
        NOT_FOUND,
        Location(dataset=dataset),
        evidence=(why,),
        hint="This is a fault of the gate's installation, not of the change.",
    )


def seed_not_set_up(error: InfrastructureError, dataset: str) -> Finding:
    """Its server or its seed is broken."""
    return Finding(
        "seed-not-set-up",
        Severity.UNVERIFIED,
        NOT_SET_UP,
        Location(dataset=dataset),
        evidence=tuple(str(error).splitlines()),
        hint="This is a fault of the gate's installation, not of the change.",
    )


@frozen
class Repetition:
    """How a step is run once more: in words that lead up to a ``command`` for a shell."""

    words: str
    command: str


def not_ended(
    step: Step,
    dataset: str,
    evidence: Iterable[str],
    *,
    line: int | None = None,
    repeat: Repetition | None = None,
) -> Finding:
    """A step failed, or nobody said that it ended. ``repeat`` says how it can be run again."""
    return Finding(
        "migration-not-ended",
        Severity.FAILURE,
        NOT_ENDED,
        Location(step.path, line if step.path else None, dataset, way(step)),
        evidence=tuple(evidence),
        hint=READ_THE_LOG if repeat is None else f"{READ_THE_LOG} {repeat.words}",
        command=None if repeat is None else repeat.command,
    )


_ON_EMPTY = {
    "ok": "Without any rows the step ends well: it is the data that it fails on.",
    "failed": "The step fails without any rows as well.",
}


def tried_without_rows(finding: Finding, on_empty: str) -> Finding:
    """The finding of a step that failed, with how it ends on the same schema without rows (``StepResult.on_empty``)."""
    told = _ON_EMPTY.get(on_empty)
    return evolve(finding, hint=f"{told} {finding.hint}") if told else finding


def mismatch(dataset: str, evidence: Iterable[str], step: Step | None = None) -> Finding:
    """The database is not where the project wants it to end."""
    return Finding(
        "final-version-mismatch",
        Severity.FAILURE,
        MISMATCH,
        Location(step.path if step else None, None, dataset, way(step) if step else None),
        evidence=tuple(evidence),
        hint="Somewhere along the line the migrations stopped. Read the log for what they said.",
    )


def rows_vanished(step: Step, dataset: str, losses: Sequence[Loss], severity: Severity) -> Finding:
    """A step ended without an error, and tables have fewer rows."""
    return Finding(
        "rows-vanished",
        severity,
        f"Migration {way(step)} lost rows of {_lost(losses)}",
        Location(step.path, None, dataset, way(step)),
        evidence=tuple(f"{counted(loss)} rows" if loss.after is not None else counted(loss) for loss in losses),
        hint="It ended without an error. Where the rows are meant to go, nothing is to be done; else look at what it "
        "deletes, and at what it leaves out when it rebuilds a table.",
    )


def values_vanished(step: Step, dataset: str, losses: Sequence[Loss], severity: Severity) -> Finding:
    """A step ended without an error, and columns have fewer values than the rows that went can explain."""
    return Finding(
        "values-vanished",
        severity,
        f"Migration {way(step)} lost values of {_lost(losses)}",
        Location(step.path, None, dataset, way(step)),
        evidence=tuple(f"{counted(loss)} values" if loss.after is not None else counted(loss) for loss in losses),
        hint="It ended without an error. Where the values are meant to go, nothing is to be done; else look at the "
        "conversions that it makes, and at the errors that it catches.",
    )


def values_emptied(step: Step, dataset: str, losses: Sequence[Loss], severity: Severity) -> Finding:
    """A step ended without an error, and texts are empty that were not."""
    return Finding(
        "values-emptied",
        severity,
        f"Migration {way(step)} emptied texts of {_lost(losses)}",
        Location(step.path, None, dataset, way(step)),
        evidence=tuple(f"{counted(loss)} texts that are not empty" for loss in losses),
        hint="It ended without an error, and the rows are still there. Look at the conversions that it makes, and at "
        "the defaults that it puts in.",
    )


def values_merged(step: Step, dataset: str, losses: Sequence[Loss], severity: Severity) -> Finding:
    """A step ended without an error, and values that were different are the same now."""
    return Finding(
        "values-merged",
        severity,
        f"Migration {way(step)} made different values the same in {_lost(losses)}",
        Location(step.path, None, dataset, way(step)),
        evidence=tuple(f"{counted(loss)} distinct values" for loss in losses),
        hint="Where values are meant to become the same, nothing is to be done; else look at what is cut or rounded.",
    )


def loss_allowed(step: Step, dataset: str, reasons: Iterable[str]) -> Finding:
    """The project's policy file allows what a step has left less of."""
    return Finding(
        "loss-allowed",
        Severity.INFO,
        f"Migration {way(step)} has left less of something, as the policy allows",
        Location(step.path, None, dataset, way(step)),
        evidence=tuple(reasons),
    )


def _lost(losses: Sequence[Loss]) -> str:
    more = len(losses) - 1
    return counted(losses[0]) + (f", and of {more} more" if more else "")


def counted(loss: Loss) -> str:
    """A loss in words: ``orders.note: 5 -> 3``."""
    name = loss.table if loss.column is None else f"{loss.table}.{loss.column}"
    after = loss.after if loss.after is not None else "dropped"
    return f"{name}: {loss.before} -> {after}"


def unusable(error: ChangeError, dataset: str) -> Finding:
    """The change's migrations cannot be read."""
    if error.code == "import-failed":
        rest = str(error).removeprefix(NOT_IMPORTED).strip()
        return Finding(
            error.code, Severity.FAILURE, NOT_IMPORTED, Location(dataset=dataset), evidence=(rest,), hint=READ_THE_LOG
        )
    return Finding(error.code, Severity.FAILURE, str(error), Location(dataset=dataset), hint=READ_THE_LOG)


def not_reached(
    kind: str, name: str, why: str, evidence: Iterable[str], dataset: str | None = None, step: Step | None = None
) -> Finding:
    """A release (``kind``) or the target branch does not get through without the change, so nothing can be said about
    the change."""
    location = Location(dataset=dataset, step=way(step) if step else None)
    if kind == "release":
        return Finding(
            "release-failed",
            Severity.UNVERIFIED,
            f"The release {name} does not get through on this dataset: {why}",
            location,
            evidence=tuple(evidence),
            hint="The change is not at fault. Mend the dataset, or what the job says of this release.",
        )
    return Finding(
        "trunk-failed",
        Severity.UNVERIFIED,
        f"The target branch {name} does not get through on this dataset by itself: {why}",
        location,
        evidence=tuple(evidence),
        hint="The change is not at fault. It can be judged when its target branch is mended.",
    )


def not_usable(kind: str, name: str, error: ChangeError, dataset: str) -> Finding:
    """The migrations of a release or of the target branch cannot be read."""
    evidence = str(error).splitlines()
    if error.code != "import-failed":
        return not_reached(kind, name, "its migrations cannot be read", evidence, dataset)
    what = "the release" if kind == "release" else "the target branch"
    return evolve(
        unusable(error, dataset),
        severity=Severity.UNVERIFIED,
        hint=f"It is {what} {name} that does not import; the change is not at fault.",
    )


def machine_fault(step: Step, dataset: str, fault: Fault, evidence: Iterable[str]) -> Finding:
    """The machine failed under a step. How that is known comes first."""
    return Finding(
        "machine-fault",
        Severity.UNVERIFIED,
        f"Migration {way(step)} stopped for a reason that is not its own: {fault.reason}",
        Location(step.path, None, dataset, way(step)),
        (*fault.shown, *evidence),
    )


def older_failed(step: Step, dataset: str, evidence: Iterable[str]) -> Finding:
    """A step that is not the change's failed with the change's code."""
    return Finding(
        "older-step-failed",
        Severity.UNVERIFIED,
        f"Migration {way(step)} failed, and it is not the change's",
        Location(step.path, None, dataset, way(step)),
        tuple(evidence),
        "It was run as the change has it, because the state of the target branch does not apply to the change.",
    )


def edited(step: Step, branch: str, dataset: str, since: str) -> Finding:
    """The change edits a step that the target branch has. ``since`` names the state that the walk goes on from."""
    return Finding(
        "step-edited",
        Severity.WARNING,
        f"The change edits migration {way(step)}, which {branch} already has",
        Location(step.path, None, dataset, way(step)),
        (f"From {since} on all steps are run as the change has them; the edited ones are judged as if they were new.",),
        "Databases that have run it already will never see the edit; add a new migration instead.",
    )


def lacking(step: Step, branch: str, dataset: str, since: str) -> Finding:
    """The change has not the file of a step that the target branch has."""
    return Finding(
        "step-lacking",
        Severity.INFO,
        f"The change has no {step.path}, the migration {way(step)} of {branch}",
        Location(step.path, None, dataset, way(step)),
        (f"From {since} on all steps are run as the change has them; those that it adds are judged.",),
        "It lies behind its target branch, or renames the file. Rebase it to have it judged on what it will meet.",
    )


def boundary_not_reached(version: str, why: str, evidence: Iterable[str], dataset: str) -> Finding:
    """The state that the change's leg is to begin at, before the step to ``version``, is not to be had."""
    return Finding(
        "boundary-not-reached",
        Severity.UNVERIFIED,
        f"The change's leg cannot begin before {version}: {why}",
        Location(dataset=dataset),
        tuple(evidence),
        "Nothing was judged. Let begin_before name one of the change's steps, or leave it out to have all of them run.",
    )


def not_judged(version: str, steps: Iterable[Step], dataset: str) -> Finding:
    """The change's leg begins before the step to ``version``, and the change adds the ``steps`` that lead there."""
    return Finding(
        "steps-not-judged",
        Severity.WARNING,
        f"The change's leg begins before {version}; what it adds before that was run, and is not judged",
        Location(dataset=dataset),
        tuple(map(way, steps)),
        "This build repeats a step. A build without begin_before judges all of the change.",
    )


def snapshot_remade(what: str, problem: str, dataset: str) -> Finding:
    """A frozen state was no longer what it was. ``what`` names it beside the dataset."""
    return Finding(
        "snapshot-remade",
        Severity.INFO,
        f"A damaged snapshot was made again: {what}",
        Location(dataset=dataset),
        evidence=(problem,),
        hint="Nothing of this build was run on the damaged one. Somebody writes below the state directory, or the disk "
        "is failing.",
    )


def infrastructure(error: InfrastructureError, dataset: str) -> Finding:
    """Something of ours broke while the migrations ran."""
    first, *rest = str(error).splitlines() or [error.code]
    return Finding(error.code, Severity.UNVERIFIED, first, Location(dataset=dataset), evidence=tuple(rest))
