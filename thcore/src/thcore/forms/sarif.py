"""A result as SARIF 2.1.0, which code review tools show findings of analyses from.

Every finding is a result. One that fails the change has level ``error``, a warning ``warning``. What could not be
measured is of kind ``open`` and what is only worth knowing of kind ``informational``: neither says that something is
wrong with the code, so both have level ``none``.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from attrs import evolve

from thcore.errors import ExitCode
from thcore.forms.evidence import trimmed
from thcore.forms.legible import bounded
from thcore.forms.likeness import fingerprint
from thcore.model import Finding, Location, Outcome, Severity, Verdict

__all__ = ["to_json"]

MESSAGE_LIMIT = 4_000
NAME_LIMIT = 500
"""Characters of a message or a line of evidence, and of a name. result.json has all of them."""
EVIDENCE_LINES = 100

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
CHECKOUT, EVIDENCE = "CHECKOUT", "EVIDENCE"
"""What paths are relative to."""

_KIND: Mapping[Severity, Mapping[str, str]] = {
    Severity.FAILURE: {"kind": "fail", "level": "error"},
    Severity.WARNING: {"kind": "fail", "level": "warning"},
    Severity.UNVERIFIED: {"kind": "open", "level": "none"},
    Severity.INFO: {"kind": "informational", "level": "none"},
}
_MEASURED = frozenset({Verdict.SUCCESS, Verdict.FAILURE})


def to_json(outcome: Outcome) -> str:
    """The document, to be encoded as UTF-8. It is valid by the schema of OASIS; control characters are written out,
    long texts cut."""
    outcome = evolve(outcome, findings=trimmed(outcome.findings, EVIDENCE_LINES))
    return (
        json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(outcome)]}, indent=2, allow_nan=False) + "\n"
    )


def _run(outcome: Outcome) -> dict[str, Any]:
    codes = list(dict.fromkeys(_name(finding.code) for finding in outcome.findings))
    rules = [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes]
    extensions = [
        {"name": _name(plugin.name), "version": _name(plugin.version), "product": _name(plugin.distribution)}
        for plugin in outcome.plugins
    ]
    return {
        "tool": {
            "driver": {"name": "thcore", "version": _name(outcome.worker.version), "rules": rules},
            "extensions": extensions,
        },
        "automationDetails": {"id": f"{_name(outcome.job)}/{_name(outcome.build)}"},
        "invocations": [_invocation(outcome)],
        "originalUriBaseIds": _bases(outcome),
        "results": [_result(finding, codes.index(_name(finding.code)), outcome) for finding in outcome.findings],
        "properties": {
            "verdict": outcome.verdict.value,
            "summary": _text(outcome.summary),
            "change": _text(str(outcome.change)),
            "commit": _name(outcome.commit or outcome.change.commit or ""),
            "attempt": outcome.attempt,
        },
    }


def _invocation(outcome: Outcome) -> dict[str, Any]:
    measured = outcome.verdict in _MEASURED
    told = {
        "executionSuccessful": measured,
        "exitCode": int(ExitCode[outcome.verdict.name]),
        "exitCodeDescription": _text(outcome.summary),
        "startTimeUtc": _moment(outcome.started),
        "endTimeUtc": _moment(outcome.ended),
        "machine": _name(outcome.worker.hostname),
    }
    if not measured:
        told["toolExecutionNotifications"] = [
            {"level": "error", "message": {"text": f"{outcome.verdict.value}: {_text(outcome.summary)}"}}
        ]
    return told


def _bases(outcome: Outcome) -> dict[str, Any]:
    evidence: dict[str, Any] = {"description": {"text": "The evidence of the build, as it was published."}}
    url = next((each.url for each in outcome.publications if each.url.startswith(("https://", "http://"))), None)
    if url is not None and url.count("/") > 2:
        evidence["uri"] = _quoted(url.partition("#")[0].partition("?")[0].rpartition("/")[0] + "/", "/:@[]%")
    return {
        CHECKOUT: {"description": {"text": f"The checkout of {_text(str(outcome.change))}."}},
        EVIDENCE: evidence,
    }


def _result(finding: Finding, rule: int, outcome: Outcome) -> dict[str, Any]:
    text = _text(finding.message) or _name(finding.code) or "no message"
    if finding.hint:
        text = f"{text}\n\nWhat to do next: {_text(finding.hint)}"
    if finding.command:
        text = f"{text}\n\n{_text(finding.command)}"
    properties = {
        "severity": finding.severity.value,
        "plugin": finding.plugin and _name(finding.plugin),
        "path": finding.location.path and _text(finding.location.path),
        "dataset": finding.location.dataset and _name(finding.location.dataset),
        "step": finding.location.step and _name(finding.location.step),
        "evidence": [_text(line) for line in finding.evidence],
    }
    told = {
        "ruleId": _name(finding.code),
        "ruleIndex": rule,
        **_KIND[finding.severity],
        "message": {"text": text},
        "partialFingerprints": {"thcore/v1": fingerprint(finding)},
        "properties": {key: value for key, value in properties.items() if value},
    }
    location = _location(finding.location, outcome)
    return told | ({"locations": [location]} if location else {})


def _location(where: Location, outcome: Outcome) -> dict[str, Any]:
    told: dict[str, Any] = {}
    # A path that could lead out of what it is relative to is told in words only, in the properties.
    if where.path and not where.path.startswith("/") and ".." not in where.path.split("/"):
        base = EVIDENCE if where.path in outcome.artifacts else CHECKOUT
        told["physicalLocation"] = {"artifactLocation": {"uri": _quoted(where.path[:MESSAGE_LIMIT]), "uriBaseId": base}}
        if where.line is not None and where.line > 0:
            told["physicalLocation"]["region"] = {"startLine": where.line}
    names = [_name(name) for name in (where.dataset, where.step) if name]
    if names:
        told["logicalLocations"] = [{"name": names[-1], "fullyQualifiedName": "/".join(names)}]
    return told


def _quoted(text: str, safe: str = "/") -> str:
    return quote(text.encode("utf-8", "backslashreplace"), safe=safe)


def _name(text: str) -> str:
    return bounded(text, NAME_LIMIT)


def _text(text: str, limit: int = MESSAGE_LIMIT) -> str:
    # [words](address) would be shown as a link, to wherever who wrote it likes.
    return bounded(text, limit).replace("](", "] (")


def _moment(at: datetime.datetime) -> str:
    return at.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
