from __future__ import annotations

import datetime
import io

import pytest
from attrs import evolve
from rich.console import Console

from thcore.cli.outcome import MAXIMUM_FINDINGS, show_outcome
from thcore.cli.progress import build_display
from thcore.cli.terminal import plain, printable
from thcore.model import BuildEvent, BuildEventKind, Finding, Loss, Outcome, Publication, Severity

from parts.outcomes import cancelled, failing, passing, unverified

AT = datetime.datetime(2026, 3, 14, 9, 26, 53, tzinfo=datetime.UTC)


def event(
    kind: BuildEventKind, stage: str | None = None, detail: str = "", done: int = 0, total: int = 0
) -> BuildEvent:
    return BuildEvent(kind, "b1", "gate", 1, AT, stage, detail, done, total)


BUILD = (
    event(BuildEventKind.STARTED, detail="example/shop 1,2"),
    event(BuildEventKind.STAGE_STARTED, "checkout"),
    event(BuildEventKind.STAGE_ENDED, "checkout", "ok"),
    event(BuildEventKind.STAGE_STARTED, "execute"),
    event(BuildEventKind.PROGRESS, "execute", "step [3] \x1b[2J of shop", 3, 12),
    event(BuildEventKind.PROGRESS, "execute", "thinking"),
    event(BuildEventKind.STAGE_ENDED, "execute", "failed"),
    event(BuildEventKind.ENDED, detail="FAILURE"),
)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, record=True, color_system="standard")


def test_elsewhere_a_build_is_one_plain_line_per_event() -> None:
    screen = console(terminal=False)
    with build_display(screen) as display:
        for one in BUILD:
            display.hear(one)
    assert screen.export_text() == (
        "09:26:53 checkout\n"
        "09:26:53 checkout: ok\n"
        "09:26:53 execute\n"
        "09:26:53   step [3] \\x1b[2J of shop (3/12)\n"
        "09:26:53   thinking\n"
        "09:26:53 execute: failed\n"
    )


def test_on_a_terminal_each_stage_has_a_line_with_its_result() -> None:
    screen = console(terminal=True)
    with build_display(screen) as display:
        for one in BUILD:
            display.hear(one)
    lines = [line for line in screen.export_text().splitlines() if line.strip()]
    assert sum("checkout" in line and line.rstrip().endswith("ok") for line in lines) >= 1
    assert any("execute" in line and line.rstrip().endswith("failed") for line in lines)


def test_progress_on_a_terminal_shows_text_of_others_as_it_is() -> None:
    screen = console(terminal=True)
    with build_display(screen) as display:
        for one in BUILD[:5]:
            display.hear(one)
    text = screen.export_text()
    assert "step [3] \\x1b[2J of shop" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_a_display_that_comes_late_takes_events_of_stages_that_it_has_not_seen_begin(terminal: bool) -> None:
    screen = console(terminal=terminal)
    with build_display(screen) as display:
        display.hear(event(BuildEventKind.PROGRESS, "execute", "half way", 1, 2))
        display.hear(event(BuildEventKind.STAGE_ENDED, "execute", "ok"))


def test_a_quiet_display_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    screen = console(terminal=True)
    with build_display(screen, quiet=True) as display:
        for one in BUILD:
            display.hear(one)
    assert screen.export_text() == ""
    assert capsys.readouterr() == ("", "")


LINES = tuple(f"line {number}" for number in range(9))


def shown(outcome: Outcome) -> str:
    screen = console(terminal=False)
    show_outcome(screen, outcome)
    return screen.export_text()


@pytest.mark.parametrize(
    "outcome", [passing(), failing(), unverified(), cancelled()], ids=lambda one: one.verdict.value
)
def test_an_outcome_begins_with_its_verdict_and_why(outcome: Outcome) -> None:
    text = shown(outcome)
    first, _, rest = text.partition("\n")
    assert first.startswith(f"{outcome.verdict.value} ")
    assert outcome.summary in text
    for finding in outcome.findings:
        assert f"  {finding.severity.value}: {finding.message}" in rest


def test_the_legs_before_the_change_are_a_line_each_and_its_own_steps_stand_one_by_one() -> None:
    of = passing().datasets[0]
    legs = ["release kilo"] * 4 + ["main"] * 6 + ["", ""]
    steps = [
        evolve(step, leg=leg, from_snapshot=leg.startswith("release")) for step, leg in zip(of.steps, legs, strict=True)
    ]
    steps[9] = evolve(steps[9], result="failed")
    steps[10] = evolve(steps[10], losses=(Loss("orders", "currency", 9000, 12), Loss("old", None, 3, None)))
    dataset = evolve(of, steps=tuple(steps), conditions={"clone": "reflink", "file_system": "xfs"})
    screen = console(terminal=False)
    show_outcome(screen, evolve(passing(), datasets=(dataset,)))
    text = " ".join(screen.export_text().split())
    assert "release kilo: 4 steps in 7.5 s, by an earlier build" in text
    assert "main: 6 steps in 17 s, a4cf72e90b35 failed" in text
    assert "clone reflink, file system xfs" in text
    assert "Add customers.locale" not in text
    assert "b5d083fa1c46" in text
    assert "b5d083fa1c46 lost orders.currency: 9,000 -> 12" in text
    assert "lost old: 3 -> dropped" in text


def test_what_a_finding_says_is_not_said_twice() -> None:
    outcome = evolve(failing(), summary=f"{failing().findings[1].message} (dataset shop)")
    assert shown(outcome).count(failing().findings[1].message) == 1


def test_only_the_first_findings_and_lines_of_evidence_are_shown_and_the_rest_is_counted() -> None:
    findings = tuple(
        Finding("c", Severity.WARNING, f"number {number}", evidence=LINES, hint="do this")
        for number in range(MAXIMUM_FINDINGS + 3)
    )
    text = shown(evolve(passing(), findings=findings))
    assert f"number {MAXIMUM_FINDINGS - 1}" in text
    assert f"number {MAXIMUM_FINDINGS}" not in text
    assert "and 3 more" in text
    assert "line 0" in text
    assert "line 8" in text
    assert "line 4" not in text
    assert "do this" in text


def test_an_address_is_never_folded() -> None:
    url = "https://logs.example.org/" + "x" * 300 + "/"
    assert f"Evidence: {url}\n" in shown(evolve(passing(), publications=(Publication(url),)))


def test_text_of_others_neither_steers_the_terminal_nor_is_taken_for_markup() -> None:
    evil = "[bold]x[/bold] [/red] \x1b]0;owned\x07 \r\x9b2J \u202e"
    found = Finding("c", Severity.FAILURE, evil, evidence=(evil,), hint=evil)
    text = shown(evolve(failing(), summary=f"So {evil}", findings=(found,), publications=(Publication(evil),)))
    assert not set("\x1b\x07\r\x9b\u202e") & set(text)
    assert text.count("[bold]x[/bold] [/red] \\x1b]0;owned") == 5


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    for text in ("naïve café", "日本語", "a\tb", "№ 5 — “so”", ""):
        assert printable(text) == text
    assert printable("a\nb\udce9") == "a\\nb\\udce9"
    assert plain("[red]") == "\\[red]"
