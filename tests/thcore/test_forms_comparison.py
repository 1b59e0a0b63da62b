from __future__ import annotations

import json

import pytest
from attrs import evolve
from cattrs.preconf.json import make_converter
from hypothesis import HealthCheck, given, settings

from thcore.forms.comparison import Assessment, Comparison, Difference, Figure, compare
from thcore.model import Check, Finding, Location, Loss, Outcome, PluginInfo, Severity, StageResult, Verdict

from parts.any_outcome import outcomes
from parts.outcomes import START, cancelled, failing, passing, unverified, watched

MADE = [passing(), failing(), watched(), unverified(), cancelled()]


def other(outcome: Outcome, *findings: Finding, verdict: Verdict | None = None) -> Outcome:
    return evolve(outcome, findings=findings, verdict=verdict or outcome.verdict)


def facts(comparison: Comparison) -> dict[str, tuple[str | None, str | None]]:
    return {f"{each.of} {each.name}".strip(): (each.before, each.after) for each in comparison.facts}


FAILURE = Finding("migration-too-long", Severity.FAILURE, "took 61 s", Location(dataset="shop", step="2"))
WARNING = Finding("deprecated", Severity.WARNING, "old", Location("console.log", 5))
INFO = Finding("note", Severity.INFO, "nice")
UNMEASURED = Finding("engine", Severity.UNVERIFIED, "no server")


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(outcome=outcomes)
def test_a_result_does_not_differ_from_itself(outcome: Outcome) -> None:
    comparison = compare(outcome, outcome)

    assert comparison.assessment is Assessment.SAME
    assert comparison.same == outcome.findings
    assert not any(
        (comparison.new, comparison.gone, comparison.reworded, comparison.facts, comparison.stages, comparison.steps)
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(before=outcomes, after=outcomes)
def test_every_finding_of_either_side_is_told_once_and_the_way_back_is_the_reverse(
    before: Outcome, after: Outcome
) -> None:
    there, back = compare(before, after), compare(after, before)

    assert len(there.new) + len(there.same) == len(after.findings)
    assert len(there.gone) + len(there.same) == len(before.findings)
    assert (len(there.new), len(there.gone)) == (len(back.gone), len(back.new))
    assert {(each.of, each.name, each.before, each.after) for each in there.facts} == {
        (each.of, each.name, each.after, each.before) for each in back.facts
    }
    assert len(there.steps) == len(back.steps)
    json.dumps(make_converter().unstructure(there), allow_nan=False)


@pytest.mark.parametrize("outcome", MADE, ids=lambda one: one.verdict.value)
def test_who_ran_a_build_when_is_no_difference(outcome: Outcome) -> None:
    again = evolve(outcome, build="another", attempt=7, started=START.replace(year=2027))

    assert compare(outcome, again).assessment is Assessment.SAME


def test_findings_are_the_same_where_kind_and_place_are() -> None:
    moved = evolve(WARNING, message="old, too", location=Location("console.log", 99))
    elsewhere = evolve(FAILURE, location=Location(dataset="shop", step="3"))
    comparison = compare(other(failing(), FAILURE, WARNING), other(failing(), elsewhere, moved))

    assert comparison.new == (elsewhere,)
    assert comparison.gone == (FAILURE,)
    assert comparison.same == (moved,)
    assert comparison.reworded == ((WARNING, moved),)


def test_of_several_findings_of_a_kind_those_with_the_same_words_belong_together() -> None:
    several = tuple(evolve(WARNING, message=f"line {number}") for number in range(4))
    comparison = compare(other(passing(), *several), other(passing(), *several[2:], several[0]))

    assert (comparison.new, comparison.gone, comparison.reworded) == ((), (several[1],), ())


def test_a_finding_that_weighs_more_now_is_another_one() -> None:
    heavier = evolve(WARNING, severity=Severity.FAILURE)
    comparison = compare(other(passing(), WARNING), other(failing(), heavier))

    assert (comparison.new, comparison.gone) == ((heavier,), (WARNING,))
    assert comparison.assessment is Assessment.WORSE


@pytest.mark.parametrize(
    ("before", "after", "assessment"),
    [
        (other(passing()), other(failing(), FAILURE), Assessment.WORSE),
        (other(passing()), other(passing(), WARNING), Assessment.WORSE),
        (other(failing(), FAILURE), other(failing(), FAILURE, WARNING), Assessment.WORSE),
        (other(failing(), FAILURE), other(failing(), FAILURE, UNMEASURED), Assessment.UNKNOWN),
        (other(failing(), FAILURE), other(failing(), WARNING, UNMEASURED), Assessment.WORSE),
        (other(failing(), FAILURE), other(passing()), Assessment.BETTER),
        (other(passing(), WARNING), other(passing()), Assessment.BETTER),
        (other(failing(), FAILURE, WARNING), other(failing(), FAILURE), Assessment.BETTER),
        (other(passing()), other(passing(), INFO), Assessment.OTHER),
        (other(passing()), other(unverified(), UNMEASURED), Assessment.UNKNOWN),
        (other(unverified(), UNMEASURED), other(passing()), Assessment.UNKNOWN),
        (other(unverified(), UNMEASURED), other(failing(), FAILURE), Assessment.UNKNOWN),
        (other(cancelled()), other(failing(), FAILURE), Assessment.UNKNOWN),
        (other(passing()), other(cancelled(), WARNING), Assessment.UNKNOWN),
    ],
)
def test_it_is_worse_when_the_change_has_something_against_it_that_it_had_not(
    before: Outcome, after: Outcome, assessment: Assessment
) -> None:
    alike = evolve(after, datasets=before.datasets, stages=before.stages)

    assert compare(before, alike).assessment is assessment


def test_figures_alone_make_nothing_worse() -> None:
    slow = evolve(passing(), datasets=failing().datasets)
    comparison = compare(passing(), slow)

    assert comparison.assessment is Assessment.OTHER
    assert {step.dataset for step in comparison.steps} == {"shop-mariadb", "shop-postgresql"}
    last = comparison.steps[10]
    assert (last.step, last.added, last.before, last.after) == ("b5d083fa1c46", True, "ok", "ok")
    assert last.figures == (Figure("wall_s", 74.3 * 0.4, 74.3, "s"),)
    assert last.figures[0].factor == pytest.approx(2.5)


def test_what_a_result_was_made_with_is_compared() -> None:
    before = passing()
    one, two = before.datasets
    changed = evolve(one, engine_version="11.4", conditions={"durability": "off"}, checks=(Check("round-trip", "ok"),))
    after = evolve(
        before,
        commit="f" * 40,
        plugins=(*before.plugins[1:], PluginInfo("new", "thplugins-new", "2")),
        datasets=(changed, evolve(two, name="other")),
        stages=(*before.stages[:-1], evolve(before.stages[-1], result=StageResult.FAILED)),
    )
    told = facts(compare(before, after))

    assert told["commit"] == (before.commit, "f" * 40)
    assert told["plugin git"] == ("thcore 0.1.0", None)
    assert told["plugin new"] == (None, "thplugins-new 2")
    assert told["stage analyse"] == ("ok", "failed")
    assert told["dataset shop-mariadb engine"] == ("MariaDB 10.11.6", "MariaDB 11.4")
    assert told["dataset shop-mariadb condition durability"] == (None, "off")
    assert told["dataset shop-mariadb check round-trip"] == (None, "ok")
    assert told["dataset shop-postgresql engine"] == ("PostgreSQL 15.8", None)
    assert told["dataset other engine"] == (None, "PostgreSQL 15.8")


def test_a_step_that_is_on_one_side_only_or_lost_something_is_told() -> None:
    before = passing()
    run = before.datasets[0]
    lossy = evolve(run.steps[1], losses=(Loss("orders", None, 10, 7),))
    after = evolve(before, datasets=(evolve(run, steps=(lossy, *run.steps[2:])), before.datasets[1]))
    gone, lost = compare(before, after).steps

    assert (gone.step, gone.before, gone.after) == (run.steps[0].step.version, "ok", None)
    assert lost.figures == (Figure("values lost", None, 3),)


def test_of_several_steps_with_one_name_each_has_its_own_match() -> None:
    run = passing().datasets[0]
    twice = evolve(passing(), datasets=(evolve(run, steps=(run.steps[0], run.steps[0])),))
    once = evolve(passing(), datasets=(evolve(run, steps=(run.steps[0],)),))

    (gone,) = compare(twice, once).steps
    assert (gone.step, gone.before, gone.after) == (run.steps[0].step.version, "ok", None)


def test_a_difference_says_what_it_is_of() -> None:
    after = evolve(passing(), plugins=(evolve(passing().plugins[0], version="2"), *passing().plugins[1:]))

    assert compare(passing(), after).facts == (Difference("git", "thcore 0.1.0", "thcore 2", "plugin"),)
