from __future__ import annotations

import itertools

import pytest

from thcore.model import Finding, Location, Severity, Verdict
from thcore.pipeline.verdict import by_weight, judge

SETS = [chosen for size in range(len(Severity) + 1) for chosen in itertools.combinations(tuple(Severity), size)]


def expected(severities: tuple[Severity, ...]) -> Verdict:
    if Severity.FAILURE in severities:
        return Verdict.FAILURE
    return Verdict.UNVERIFIED if Severity.UNVERIFIED in severities else Verdict.SUCCESS


@pytest.mark.parametrize("severities", SETS)
def test_the_heaviest_finding_decides_in_whatever_order_they_come(severities: tuple[Severity, ...]) -> None:
    for order in itertools.permutations(severities):
        findings = [Finding("c", severity, f"about {severity.value}") for severity in order]
        verdict, summary = judge(findings)
        assert verdict is expected(severities)
        if verdict is not Verdict.SUCCESS:
            assert summary == f"about {verdict.value.lower()}"


@pytest.mark.parametrize("severities", SETS)
def test_a_cancel_overrides_every_finding(severities: tuple[Severity, ...]) -> None:
    findings = [Finding("c", severity, "m") for severity in severities]
    assert judge(findings, cancelled="Zuul asked") == (Verdict.CANCELLED, "Cancelled: Zuul asked")


def test_a_cancel_without_a_reason_is_a_cancel() -> None:
    assert judge([], cancelled="")[0] is Verdict.CANCELLED


@pytest.mark.parametrize(
    ("warnings", "summary"),
    [
        (0, "All checks passed"),
        (1, "All checks passed, with 1 warning"),
        (2, "All checks passed, with 2 warnings"),
    ],
)
def test_a_pass_counts_its_warnings(warnings: int, summary: str) -> None:
    findings = [Finding("i", Severity.INFO, "m"), *[Finding("w", Severity.WARNING, "m")] * warnings]
    assert judge(findings) == (Verdict.SUCCESS, summary)


def test_the_summary_says_where_and_takes_the_first_of_the_heaviest() -> None:
    findings = [
        Finding("a", Severity.WARNING, "a warning"),
        Finding("b", Severity.FAILURE, "first", Location(dataset="shop", step="12")),
        Finding("c", Severity.FAILURE, "second"),
    ]
    assert judge(findings) == (Verdict.FAILURE, "first (dataset shop, step 12)")
    assert [finding.code for finding in by_weight(findings)] == ["b", "c", "a"]
