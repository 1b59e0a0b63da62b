"""What a verdict means to the author of a change, and what to do next."""

from __future__ import annotations

from thcore.model import Finding, Outcome, Severity, Verdict

SHOWN_LINES = 2
_DECIDES = {Verdict.FAILURE: Severity.FAILURE, Verdict.UNVERIFIED: Severity.UNVERIFIED}
_MEANING = {
    Verdict.SUCCESS: "The change passed.",
    Verdict.FAILURE: "The change needs another look before it can merge.",
    Verdict.UNVERIFIED: "It could not be measured. That is not the fault of this change.",
    Verdict.CANCELLED: "It was stopped before it had a verdict.",
}
_NEXT = {
    Verdict.SUCCESS: "There is nothing to do.",
    Verdict.FAILURE: "Read the evidence and the build log, mend the change, and upload it again.",
    Verdict.UNVERIFIED: "Zuul may run it again by itself. If it comes back, tell the operator of the worker.",
    Verdict.CANCELLED: "Have it run again, if it is still wanted.",
}


def deciding(outcome: Outcome) -> Finding | None:
    """The finding that the verdict rests on, if it rests on one."""
    severity = _DECIDES.get(outcome.verdict)
    return next((finding for finding in outcome.findings if finding.severity is severity), None)


def shown_by(outcome: Outcome) -> tuple[str, ...]:
    """The first lines of the evidence that the verdict rests on: what counts stands there."""
    finding = deciding(outcome)
    return () if finding is None else tuple(line for line in finding.evidence if line.strip())[:SHOWN_LINES]


def meaning(outcome: Outcome) -> str:
    """What the verdict means, in one sentence."""
    return _MEANING[outcome.verdict]


def next_step(outcome: Outcome) -> str:
    """What to do next: the hint of the finding that decides, or what such a verdict asks for. It may quote text of
    others."""
    finding = deciding(outcome)
    if finding is not None and finding.hint:
        return finding.hint
    if outcome.verdict is Verdict.SUCCESS and any(found.severity is Severity.WARNING for found in outcome.findings):
        return "It can merge; its warnings are worth a look."
    return _NEXT[outcome.verdict]
