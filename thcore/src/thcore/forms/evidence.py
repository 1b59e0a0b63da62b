"""How much of the evidence of findings is repeated in another form; result.json has all of it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from thcore.model import Finding
from thcore.model.finding import by_weight

WITH_EVIDENCE = 200
"""Findings that keep theirs, the heaviest ones: a log can have thousands."""


def ends(lines: Sequence[str], most: int) -> Sequence[str]:
    """Of more lines than ``most`` the beginning, where the gate puts what counts, and the end, where programs say why
    they failed; between them, how many were left out."""
    left = len(lines) - most
    half = most // 2
    return lines if left <= 0 else (*lines[:half], left_out(left), *lines[-half:])


def trimmed(findings: Sequence[Finding], most: int) -> tuple[Finding, ...]:
    """The findings in their order, each with no more than ``most`` lines of evidence and another that says how many
    were left out."""
    kept = by_weight(findings)[:WITH_EVIDENCE]
    if len(kept) < len(findings):
        full = {id(finding) for finding in kept}
        findings = [
            finding
            if id(finding) in full or not finding.evidence
            else evolve(finding, evidence=(left_out(len(finding.evidence)),))
            for finding in findings
        ]
    return tuple(evolve(finding, evidence=tuple(ends(finding.evidence, most))) for finding in findings)


def left_out(count: int) -> str:
    """The line in the place of others."""
    return f"… ({count} line{'s are' if count != 1 else ' is'} in result.json)"
