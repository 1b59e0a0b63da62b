"""A command that a finding offers: whole in every form, and alone in its line where a line can be copied."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Callable

import markupsafe
import pytest
from attrs import evolve
from rich.console import Console

from thcore.cli.outcome import show_outcome, show_result
from thcore.forms import junit, sarif
from thcore.forms.advice import advice
from thcore.forms.markdown import to_markdown
from thcore.model import Outcome, Severity
from thcore.pages import html as pages

from parts.outcomes import failing, passing, unverified

COMMAND = "thcore run --project=example/shop --ref=refs/changes/1/1/1 --option='x.y=<b>[red]' -- job"


def offering(outcome: Outcome) -> Outcome:
    """The outcome, each of whose findings offers the command."""
    found = tuple(evolve(each, command=COMMAND, hint=each.hint or "Do this:") for each in outcome.findings)
    return evolve(outcome, findings=found)


def on_screen(show: Callable[[Console, Outcome], object], outcome: Outcome) -> list[str]:
    text = io.StringIO()
    show(Console(file=text, width=40), outcome)
    return [line.strip() for line in text.getvalue().splitlines()]


def test_the_command_is_in_every_form() -> None:
    outcome = offering(failing())
    assert COMMAND in on_screen(show_outcome, outcome)
    assert f"`{COMMAND}`" in [line.strip() for line in to_markdown(outcome).splitlines()]
    assert COMMAND in html.unescape(junit.to_xml(outcome))
    texts = [result["message"]["text"] for result in json.loads(sarif.to_json(outcome))["runs"][0]["results"]]
    assert all(text.endswith(f"\n\n{COMMAND}") for text in texts)
    page = pages.result_page(outcome).decode("utf-8")
    assert page.count(f'<code dir="ltr">{markupsafe.escape(COMMAND)}</code></pre>') == 1 + len(outcome.findings)
    assert "<b>[red]" not in page


def test_what_stands_at_the_top_is_not_said_again() -> None:
    outcome = offering(failing())
    (decisive,) = (each for each in outcome.findings if each.severity is Severity.FAILURE)
    told = on_screen(show_result, evolve(outcome, findings=(decisive,)))
    assert told.count(COMMAND) == 1


@pytest.mark.parametrize("made", [failing, unverified], ids=["a failure", "what could not be measured"])
def test_the_advice_offers_the_command_of_the_decisive_finding(made: Callable[[], Outcome]) -> None:
    assert [action.command for action in advice(offering(made())).actions].count(COMMAND) == 1
    assert {action.command for action in advice(made()).actions} == {None}


def test_the_advice_on_several_warnings_offers_the_command_of_none() -> None:
    (warning, *_) = (evolve(each, severity=Severity.WARNING) for each in offering(passing()).findings)
    for count, commands in ((1, [COMMAND]), (2, [None])):
        told = advice(evolve(passing(), findings=(warning,) * count))
        assert [action.command for action in told.actions] == commands
