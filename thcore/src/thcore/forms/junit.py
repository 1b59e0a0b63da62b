"""A result as JUnit XML, which CI systems read test results from.

One suite is about the build itself, and one about each dataset, in which each step that the change adds is a test case.
A case fails only when the change is at fault: what could not be measured is an error, what was not run is skipped. So
a reader that counts comes to the verdict: failures with FAILURE only, errors and no failures with UNVERIFIED, neither
with SUCCESS and CANCELLED, and with CANCELLED the case of the build is skipped.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from attrs import evolve, field, frozen

from thcore.forms.advice import advice
from thcore.forms.evidence import trimmed
from thcore.forms.legible import bounded
from thcore.model import DatasetRun, Finding, Outcome, Severity, StepResult, Verdict
from thcore.model.finding import by_weight
from thcore.model.quantity import format_duration

__all__ = ["to_xml"]

NAME_LIMIT = 200
MESSAGE_LIMIT = 2_000
"""Characters of a name, and of a message or a line of evidence. result.json has all of them."""
EVIDENCE_LINES = 200
"""Lines of a finding's evidence."""

_SAYS: Mapping[Verdict, str | None] = {
    Verdict.SUCCESS: None,
    Verdict.FAILURE: "failure",
    Verdict.UNVERIFIED: "error",
    Verdict.CANCELLED: "skipped",
}
"""The element that tells a reader the verdict."""


@frozen
class _Case:
    """``trouble`` is what there is to tell beside its findings, and how much it weighs; ``skipped`` why it was not
    run."""

    name: str
    time_s: float = 0.0
    findings: tuple[Finding, ...] = ()
    trouble: tuple[Severity, str] | None = None
    skipped: str = ""

    def element(self, verdict: Verdict) -> str | None:
        """``failure``, ``error``, ``skipped``, or None for a case that passed."""
        found = {finding.severity for finding in self.findings} | ({self.trouble[0]} if self.trouble else set())
        if found & {Severity.FAILURE, Severity.UNVERIFIED}:
            # A verdict is more than its findings: a build that was cancelled has not failed, whatever it had found.
            says = _SAYS[verdict]
            return "error" if says == "failure" and Severity.FAILURE not in found else says
        return "skipped" if self.skipped else None


@frozen
class _Suite:
    name: str
    time_s: float
    cases: tuple[_Case, ...]
    properties: Mapping[str, str] = field(factory=dict)


def to_xml(outcome: Outcome) -> str:
    """The document, to be encoded as UTF-8. It is valid by the schema of Jenkins' xUnit plugin; control characters are
    written out, long texts cut."""
    outcome = evolve(outcome, findings=trimmed(outcome.findings, EVIDENCE_LINES))
    suites = _suites(outcome)
    root = Element("testsuites", name="thcore", time=_seconds(outcome.duration_s))
    counts = {"tests": 0, "failures": 0, "errors": 0}
    for suite in suites:
        told = _suite(suite, outcome)
        root.append(told)
        for key in counts:
            counts[key] += int(told.attrib[key])
    root.attrib.update({key: str(count) for key, count in counts.items()})
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suites(outcome: Outcome) -> tuple[_Suite, ...]:
    datasets = tuple(_dataset(run, outcome) for run in outcome.datasets)
    known = {run.name for run in outcome.datasets}
    elsewhere = [found for found in outcome.findings if found.location.dataset not in known]
    missing = dict.fromkeys(found.location.dataset for found in elsewhere if found.location.dataset)
    # A dataset that could not even be set up has findings only.
    datasets += tuple(_Suite(name, 0.0, (_Case("dataset", findings=_about(name, elsewhere)),)) for name in missing)
    own = _Case("build", outcome.duration_s, tuple(found for found in elsewhere if not found.location.dataset))
    told = any(
        case.element(outcome.verdict) == _SAYS[outcome.verdict] and case.findings
        for case in (own, *(case for suite in datasets for case in suite.cases))
    )
    if outcome.verdict is Verdict.CANCELLED:
        own = _Case(own.name, own.time_s, own.findings, skipped=outcome.summary or outcome.verdict.value)
    elif not told and outcome.verdict is not Verdict.SUCCESS:
        heavy = Severity.FAILURE if outcome.verdict is Verdict.FAILURE else Severity.UNVERIFIED
        own = _Case(own.name, own.time_s, own.findings, (heavy, outcome.summary))
    return (_Suite("", outcome.duration_s, (own,), _properties(outcome)), *datasets)


def _dataset(run: DatasetRun, outcome: Outcome) -> _Suite:
    placed = [(found, _step_of(run, found)) for found in _about(run.name, outcome.findings)]
    cases = [_Case("dataset", findings=tuple(found for found, step in placed if step is None))]
    for result in run.steps:
        found = tuple(each for each, step in placed if step is result)
        if result.added or found or result.result not in {"ok", "not-run"}:
            cases.append(_step(result, found))
    measured = sum(each.measurement.wall_s for each in run.steps if each.measurement)
    properties = {
        "engine": f"{run.engine} {run.engine_version}",
        "dataset.version": run.version,
        "dataset.fingerprint": run.fingerprint,
        "tool": run.tool,
        "version.start": ", ".join(run.start_version),
        "version.expected": ", ".join(run.expected_version),
        "version.final": ", ".join(run.final_version),
    }
    return _Suite(run.name, measured, tuple(cases), properties)


def _step(result: StepResult, findings: tuple[Finding, ...]) -> _Case:
    step = result.step
    name = " ".join(
        part for part in (f"{step.chain}:{step.version}" if step.chain else step.version, step.title) if part
    )
    time_s = result.measurement.wall_s if result.measurement else 0.0
    trouble = (Severity.FAILURE, "The step failed.") if result.result == "failed" and not findings else None
    skipped = "" if result.result == "ok" else "It was not run." if result.result == "not-run" else result.result
    return _Case(name, time_s, findings, trouble, skipped)


def _about(dataset: str, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(found for found in findings if found.location.dataset == dataset)


def _step_of(run: DatasetRun, finding: Finding) -> StepResult | None:
    """The step that a finding points to; of several the one that the change adds."""
    name = finding.location.step
    meant = [result for result in run.steps if name and result.step.goes_by(name)]
    return next((result for result in meant if result.added), meant[0] if meant else None)


def _suite(suite: _Suite, outcome: Outcome) -> Element:
    job = bounded(outcome.job, NAME_LIMIT)
    name = ".".join(part for part in (job, bounded(suite.name, NAME_LIMIT)) if part)
    elements = [case.element(outcome.verdict) for case in suite.cases]
    told = Element(
        "testsuite",
        name=name,
        tests=str(len(suite.cases)),
        failures=str(elements.count("failure")),
        errors=str(elements.count("error")),
        skipped=str(elements.count("skipped")),
        time=_seconds(suite.time_s),
        timestamp=f"{outcome.started.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S}",
        hostname=bounded(outcome.worker.hostname, NAME_LIMIT),
    )
    properties = SubElement(told, "properties")
    for key, value in suite.properties.items():
        if value:
            SubElement(properties, "property", name=bounded(key, NAME_LIMIT), value=bounded(value, MESSAGE_LIMIT))
    for case, element in zip(suite.cases, elements, strict=True):
        told.append(_case(case, element, name))
    return told


def _case(case: _Case, element: str | None, classname: str) -> Element:
    told = Element("testcase", classname=classname, name=bounded(case.name, NAME_LIMIT), time=_seconds(case.time_s))
    findings = by_weight(case.findings)
    body = "\n".join(line for finding in findings for line in _lines(finding))
    if element is None:
        if body:
            SubElement(told, "system-out").text = body
        return told
    heaviest = findings[0] if findings else None
    message = case.skipped if element == "skipped" and case.skipped else case.trouble[1] if case.trouble else ""
    child = SubElement(told, element, message=bounded(message or (heaviest.message if heaviest else ""), MESSAGE_LIMIT))
    if element != "skipped":
        child.attrib["type"] = bounded(heaviest.code, NAME_LIMIT) if heaviest and not case.trouble else "verdict"
    child.text = body or None
    return told


def _lines(finding: Finding) -> Iterator[str]:
    where = f" ({bounded(str(finding.location), MESSAGE_LIMIT)})" if str(finding.location) else ""
    code = bounded(finding.code, NAME_LIMIT)
    yield f"{finding.severity.value} {code}: {bounded(finding.message, MESSAGE_LIMIT)}{where}"
    for line in finding.evidence:
        yield f"  {bounded(line, MESSAGE_LIMIT)}"
    if finding.hint:
        yield f"What to do next: {bounded(finding.hint, MESSAGE_LIMIT)}"
    if finding.command:
        yield f"  {bounded(finding.command, MESSAGE_LIMIT)}"


def _properties(outcome: Outcome) -> dict[str, str]:
    change = outcome.change
    return {
        "verdict": outcome.verdict.value,
        "summary": outcome.summary,
        "next": " ".join(f"{action.who}: {action.words}" for action in advice(outcome).actions),
        "build": outcome.build,
        "attempt": str(outcome.attempt),
        "change": str(change),
        "project": change.project,
        "branch": change.branch or "",
        "commit": outcome.commit or change.commit or "",
        "worker": outcome.worker.name,
        "url": outcome.publications[0].url if outcome.publications else "",
        "thcore": outcome.worker.version,
        **{f"plugin.{plugin.name}": plugin.version for plugin in outcome.plugins},
        **{
            f"stage.{stage.name.value}": f"{stage.result.value}, {format_duration(stage.duration_s)}"
            for stage in outcome.stages
        },
    }


def _seconds(value: float) -> str:
    return f"{max(0.0, value):.3f}"
