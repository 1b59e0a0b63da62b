"""What a result asks of the people who read it, in words."""

from __future__ import annotations

from attrs import frozen

from thcore.model import Finding, Outcome, Severity, Verdict
from thcore.model.finding import by_weight
from thcore.model.quantity import format_duration

__all__ = ["Action", "Advice", "advice"]

AUTHOR = "Author of the change"
OPERATOR = "Operator of the worker"
SHOWN_LINES = 2
_MEND = "Mend what the finding names: until then, it will come to the same again."


@frozen
class Action:
    """What somebody is to do next; ``command`` is a line for a shell that they may copy for it."""

    who: str
    words: str
    command: str | None = None


@frozen
class Advice:
    """``meaning`` is what the verdict means for the change; without ``actions`` there is nothing to do."""

    meaning: str
    actions: tuple[Action, ...] = ()


def decisive(outcome: Outcome) -> Finding | None:
    """The finding that explains the verdict, if one does: the heaviest that is more than information."""
    heaviest = next(iter(by_weight(outcome.findings)), None)
    return None if heaviest is None or heaviest.severity is Severity.INFO else heaviest


def shown_by(outcome: Outcome) -> tuple[str, ...]:
    """The first lines of what shows the decisive finding, where what counts stands; none for a build that passed."""
    finding = None if outcome.verdict is Verdict.SUCCESS else decisive(outcome)
    return () if finding is None else tuple(line for line in finding.evidence if line.strip())[:SHOWN_LINES]


def hinted(outcome: Outcome) -> Finding | None:
    """The finding whose hint the advice quotes, so that it need not be said again."""
    found = decisive(outcome)
    quoted = found and found.hint and any(found.hint in action.words for action in advice(outcome).actions)
    return found if quoted else None


def advice(outcome: Outcome) -> Advice:
    """What follows from a result."""
    told = {
        Verdict.SUCCESS: _success,
        Verdict.FAILURE: _failure,
        Verdict.UNVERIFIED: _unverified,
        Verdict.CANCELLED: _cancelled,
    }[outcome.verdict](outcome, decisive(outcome))
    if not outcome.timed_out:
        return told
    over = f"The job's time was over after {format_duration(outcome.duration_s)}."
    return Advice(f"{told.meaning} {over}", told.actions)


def _success(outcome: Outcome, found: Finding | None) -> Advice:
    warnings = sum(finding.severity is Severity.WARNING for finding in outcome.findings)
    if not warnings:
        return Advice("The change passed. There is nothing to do.")
    told = "the warning" if warnings == 1 else f"the {warnings} warnings"
    hint = f" {found.hint}" if found is not None and found.hint and warnings == 1 else ""
    return Advice(
        f"The change passed; {told} below {'does' if warnings == 1 else 'do'} not keep it from merging.",
        (Action(AUTHOR, f"Read {told} before the change merges.{hint}", found.command if found and hint else None),),
    )


def _failure(_outcome: Outcome, found: Finding | None) -> Advice:
    hint = found.hint if found is not None else ""
    return Advice(
        "The change needs another look before it can merge.",
        (
            Action(AUTHOR, hint or "Read below why, and mend the change.", found.command if found else None),
            Action(AUTHOR, "Then upload it once more: it is judged anew."),
        ),
    )


def _unverified(outcome: Outcome, found: Finding | None) -> Advice:
    hint = found.hint if found is not None else ""
    return Advice(
        "It could not be measured. That is not the fault of this change; Zuul may run it again.",
        (
            Action(AUTHOR, "Where Zuul does not by itself, ask it to with a recheck. There is nothing to mend."),
            Action(
                f"{OPERATOR} {outcome.worker.name}",
                f"{hint} {_MEND}" if hint else _MEND,
                found.command if found else None,
            ),
        ),
    )


def _cancelled(_outcome: Outcome, _found: Finding | None) -> Advice:
    return Advice(
        "It was stopped before it had a verdict. There is nothing to do: where Zuul still wants one, it starts another"
        " build."
    )
