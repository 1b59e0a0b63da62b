"""What a result asks of the people who read it, in words."""

from __future__ import annotations

from attrs import frozen

from thcore.model import Finding, Outcome, Severity, Verdict
from thcore.model.quantity import format_duration

AUTHOR = "Author of the change"
OPERATOR = "Operator of the worker"


@frozen
class Action:
    """What somebody is to do next."""

    who: str
    words: str


@frozen
class Advice:
    """``meaning`` is what the verdict means for the change; without ``actions`` there is nothing to do."""

    meaning: str
    actions: tuple[Action, ...] = ()


def advice(outcome: Outcome, decisive: Finding | None) -> Advice:
    """What follows from a result that one finding, or none, has decided."""
    told = {
        Verdict.SUCCESS: _success,
        Verdict.FAILURE: _failure,
        Verdict.UNVERIFIED: _unverified,
        Verdict.CANCELLED: _cancelled,
    }[outcome.verdict](outcome, decisive)
    if not outcome.timed_out:
        return told
    over = f"The job's time was over after {format_duration(outcome.duration_s)}."
    return Advice(f"{told.meaning} {over}", told.actions)


def _success(outcome: Outcome, decisive: Finding | None) -> Advice:
    warnings = sum(finding.severity is Severity.WARNING for finding in outcome.findings)
    if not warnings:
        return Advice("The change passed. There is nothing to do.")
    told = "the warning" if warnings == 1 else f"the {warnings} warnings"
    hint = f" {decisive.hint}" if decisive is not None and decisive.hint and warnings == 1 else ""
    return Advice(
        f"The change passed; {told} below {'does' if warnings == 1 else 'do'} not keep it from merging.",
        (Action(AUTHOR, f"Read {told} before the change merges.{hint}"),),
    )


def _failure(_outcome: Outcome, decisive: Finding | None) -> Advice:
    hint = decisive.hint if decisive is not None else ""
    return Advice(
        "The change needs another look before it can merge.",
        (
            Action(AUTHOR, hint or "Read below why, and mend the change."),
            Action(AUTHOR, "Then upload it once more: it is judged anew. The command below tries it without Zuul."),
        ),
    )


def _unverified(outcome: Outcome, decisive: Finding | None) -> Advice:
    hint = decisive.hint if decisive is not None else ""
    return Advice(
        "It could not be measured. That is not the fault of this change; Zuul may run it again.",
        (
            Action(AUTHOR, "Where Zuul does not by itself, ask it to with a recheck. There is nothing to mend."),
            Action(
                f"{OPERATOR} {outcome.worker.name}",
                hint or "Read below what was missing or broken: until that is mended, it will be so again.",
            ),
        ),
    )


def _cancelled(_outcome: Outcome, _decisive: Finding | None) -> Advice:
    return Advice(
        "It was stopped before it had a verdict. There is nothing to do: where Zuul still wants one, it starts another"
        " build."
    )
