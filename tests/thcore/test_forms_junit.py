from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from lxml import etree

from thcore.forms.junit import EVIDENCE_LINES, to_xml
from thcore.forms.legible import bounded
from thcore.model import Finding, Location, Outcome, Severity, Verdict

from parts.any_outcome import outcomes
from parts.outcomes import cancelled, failing, passing, steps, unverified, watched

MADE = [passing(), failing(), watched(), unverified(), cancelled()]


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    """What Jenkins' xUnit plugin takes."""
    return etree.XMLSchema(file=Path(__file__).parent / "data" / "junit-10.xsd")


def read(outcome: Outcome) -> Element:
    return fromstring(to_xml(outcome).encode("utf-8"))


def cases(outcome: Outcome) -> dict[str, str | None]:
    """What became of each test case."""
    found: dict[str, str | None] = {}
    for suite in read(outcome):
        for case in suite.iter("testcase"):
            dataset = suite.attrib["name"].removeprefix(outcome.job).removeprefix(".")
            name = " ".join(part for part in (dataset, case.attrib["name"].split()[0]) if part)
            found[name] = next((child.tag for child in case if child.tag != "system-out"), None)
    return found


def counted(root: Element) -> tuple[int, int, int]:
    return (len(list(root.iter("failure"))), len(list(root.iter("error"))), len(list(root.iter("skipped"))))


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_what_is_written_is_valid_by_the_schema(outcome: Outcome, schema: etree.XMLSchema) -> None:
    schema.assertValid(etree.fromstring(to_xml(outcome).encode()))


def test_the_schema_would_refuse_a_wrong_document(schema: etree.XMLSchema) -> None:
    wrong = to_xml(failing()).replace("tests=", "test=", 2)
    with pytest.raises(etree.DocumentInvalid, match="The attribute 'test' is not allowed"):
        schema.assertValid(etree.fromstring(wrong.encode()))


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes)
def test_whatever_others_have_written_it_is_valid_and_has_every_finding(
    outcome: Outcome, schema: etree.XMLSchema
) -> None:
    text = to_xml(outcome)
    schema.assertValid(etree.fromstring(text.encode()))
    told = "".join(fromstring(text.encode("utf-8")).itertext())

    for finding in outcome.findings:
        assert f"{finding.severity.value} {bounded(finding.code, 200)}: {bounded(finding.message, 2000)}" in told


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes)
def test_who_counts_comes_to_the_verdict(outcome: Outcome) -> None:
    root = read(outcome)
    failures, errors, skipped = counted(root)

    assert (failures > 0) == (outcome.verdict is Verdict.FAILURE)
    assert errors == 0 or outcome.verdict in {Verdict.FAILURE, Verdict.UNVERIFIED}
    assert errors > 0 or outcome.verdict is not Verdict.UNVERIFIED
    assert skipped > 0 or outcome.verdict is not Verdict.CANCELLED
    told = [int(root.attrib[key]) for key in ("tests", "failures", "errors")]
    assert told == [len(list(root.iter("testcase"))), failures, errors]
    for suite in root:
        told = [int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")]
        assert told == [len(list(suite.iter("testcase"))), *counted(suite)]


def test_a_step_of_the_change_is_a_case_of_its_dataset_and_fails_once() -> None:
    assert cases(failing()) == {
        "build": None,
        "shop-postgresql dataset": None,
        "shop-postgresql b5d083fa1c46": None,
        "shop-postgresql c6e1940b2d57": None,
        "shop-mariadb dataset": None,
        "shop-mariadb b5d083fa1c46": "failure",
        "shop-mariadb c6e1940b2d57": None,
    }
    (failure,) = read(failing()).iter("failure")
    assert failure.attrib["type"] == "migration-too-slow"
    assert failure.attrib["message"].startswith("Step b5d083fa1c46 read 4,549,686 rows")
    assert "observer: b5d083fa1c46 took 74.3 s" in (failure.text or "")
    assert "What to do next: Add the column with ALGORITHM=INSTANT" in (failure.text or "")


@pytest.mark.parametrize("step", ["b5d083fa1c46", "a4cf72e90b35->b5d083fa1c46", "a4cf72e90b35 -> b5d083fa1c46"])
def test_a_finding_belongs_to_its_step_by_each_of_the_names_that_findings_use(step: str) -> None:
    base = failing()
    found = Finding("x", Severity.FAILURE, "x", Location(dataset="shop-mariadb", step=step))

    assert cases(evolve(base, findings=(found,)))["shop-mariadb b5d083fa1c46"] == "failure"


def test_what_could_not_be_measured_is_an_error_and_no_failure() -> None:
    assert cases(unverified()) == {
        "build": None,
        "shop-mariadb dataset": "error",
        "shop-postgresql dataset": None,
        "shop-postgresql b5d083fa1c46": None,
        "shop-postgresql c6e1940b2d57": None,
    }


def test_a_dataset_that_could_not_be_set_up_has_a_suite_all_the_same() -> None:
    assert cases(evolve(unverified(), datasets=()))["shop-mariadb dataset"] == "error"


def test_a_failure_stays_one_beside_what_could_not_be_measured() -> None:
    both = evolve(failing(), findings=(*unverified().findings, *failing().findings))

    found = cases(both)
    assert (found["shop-mariadb dataset"], found["shop-mariadb b5d083fa1c46"]) == ("error", "failure")


def test_a_cancelled_build_has_not_failed_whatever_it_had_found() -> None:
    outcome = evolve(cancelled(), findings=failing().findings, datasets=failing().datasets)

    found = cases(outcome)
    assert (found["build"], found["shop-mariadb b5d083fa1c46"]) == ("skipped", "skipped")
    assert next(read(outcome).iter("skipped")).attrib["message"] == "Stopped: Zuul cancelled the build"


def test_a_step_that_was_not_run_is_skipped() -> None:
    base = failing()
    broken = evolve(base.datasets[1], steps=steps(broken=True))
    found = cases(evolve(base, datasets=(broken,)))

    assert (found["shop-mariadb b5d083fa1c46"], found["shop-mariadb c6e1940b2d57"]) == ("failure", "skipped")


def test_a_verdict_that_no_finding_explains_is_that_of_the_build() -> None:
    for verdict, element in ((Verdict.FAILURE, "failure"), (Verdict.UNVERIFIED, "error")):
        outcome = evolve(passing(), verdict=verdict, summary="nobody knows why")
        assert cases(outcome)["build"] == element
        assert next(read(outcome).iter(element)).attrib["message"] == "nobody knows why"


def test_long_evidence_keeps_its_beginning_and_its_end() -> None:
    found = evolve(failing().findings[1], evidence=tuple(f"line {number}" for number in range(1000)))
    (failure,) = read(evolve(failing(), findings=(found,))).iter("failure")
    lines = (failure.text or "").splitlines()

    assert "  line 0" in lines
    assert "  line 999" in lines
    assert f"  … ({1000 - EVIDENCE_LINES} lines are in result.json)" in lines
