"""What a result asks of whom."""

from __future__ import annotations

from attrs import evolve

from thcore.forms.advice import AUTHOR, OPERATOR, Advice, advice, hinted, shown_by
from thcore.model import Outcome, Severity

from parts import outcomes


def asked(of: Outcome) -> Advice:
    return advice(of)


def test_a_failure_asks_its_author_for_what_the_decisive_finding_says() -> None:
    told = asked(outcomes.failing())

    assert {action.who for action in told.actions} == {AUTHOR}
    assert told.actions[0].words.startswith("Add the column with ALGORITHM=INSTANT")
    assert "upload it once more" in told.actions[1].words


def test_what_could_not_be_measured_asks_the_author_for_a_recheck_and_the_operator_for_the_rest() -> None:
    author, operator = asked(outcomes.unverified()).actions

    assert (author.who, operator.who) == (AUTHOR, f"{OPERATOR} worker-03")
    assert "recheck" in author.words
    assert operator.words.startswith("The disk of the worker is full")


def test_a_success_asks_nothing_but_to_read_its_warnings() -> None:
    of = outcomes.passing()
    assert asked(of).actions == ()
    warning = evolve(of.findings[0], severity=Severity.WARNING, hint="Drop one of them.")

    (action,) = asked(evolve(of, findings=(warning,))).actions
    assert action.words == "Read the warning before the change merges. Drop one of them."
    (action,) = asked(evolve(of, findings=(warning,) * 3)).actions
    assert action.words == "Read the 3 warnings before the change merges."


def test_a_finding_without_a_hint_still_leaves_something_to_do() -> None:
    for of in (outcomes.failing(), outcomes.unverified()):
        bare = evolve(of, findings=tuple(evolve(finding, hint=None) for finding in of.findings))
        assert all(action.words for action in asked(bare).actions)


def test_a_cancelled_build_asks_nothing_and_time_that_was_over_is_named() -> None:
    assert asked(outcomes.cancelled()).actions == ()
    assert asked(evolve(outcomes.cancelled(), timed_out=True)).meaning.endswith("time was over after 5 m 48 s.")


def test_what_shows_a_failure_are_the_first_lines_of_the_decisive_finding() -> None:
    assert shown_by(outcomes.failing()) == outcomes.failing().findings[1].evidence[:2]
    assert shown_by(outcomes.passing()) == ()


def test_a_hint_that_the_advice_quotes_is_known() -> None:
    assert hinted(outcomes.failing()) is not None
    warning = evolve(outcomes.passing().findings[0], severity=Severity.WARNING, hint="Drop one of them.")
    assert hinted(evolve(outcomes.passing(), findings=(warning,))) == warning
    assert hinted(evolve(outcomes.passing(), findings=(warning,) * 2)) is None
    assert hinted(evolve(outcomes.cancelled(), findings=(warning,))) is None
