"""What a build's findings amount to."""

from __future__ import annotations

from collections.abc import Sequence

from thcore.model import Finding, Severity, Verdict
from thcore.model.finding import by_weight

__all__ = ["by_weight", "judge"]


def judge(findings: Sequence[Finding], *, cancelled: str | None = None) -> tuple[Verdict, str]:
    """The verdict and its reason in one line.

    The heaviest finding decides. A failure that was shown is a failure even when something else could not be measured;
    something that could not be measured is never a pass. ``cancelled`` is the reason of a cancel, which overrides all.
    """
    if cancelled is not None:
        return Verdict.CANCELLED, f"Cancelled: {cancelled}"
    ordered = by_weight(findings)
    heaviest = ordered[0] if ordered else None
    if heaviest is None or heaviest.severity in (Severity.INFO, Severity.WARNING):
        warnings = sum(finding.severity is Severity.WARNING for finding in findings)
        note = f", with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else ""
        return Verdict.SUCCESS, f"All checks passed{note}"
    verdict = Verdict.FAILURE if heaviest.severity is Severity.FAILURE else Verdict.UNVERIFIED
    where = f" ({heaviest.location})" if str(heaviest.location) else ""
    return verdict, f"{heaviest.message}{where}"
