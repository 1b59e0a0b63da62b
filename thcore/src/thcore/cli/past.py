"""Builds of the past, for people: a table of attempts, and everything about one build."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from thcore.cli.dataset import show_dataset
from thcore.cli.outcome import screen, show_finding, styled_verdict, told_stages
from thcore.cli.terminal import plain
from thcore.model import Answered, PastAttempt
from thcore.model.quantity import format_duration
from thcore.worker.evidence import Evidence
from thcore.worker.journal import BuildEntry

_SHORT_ID = 12
_ANSWERS = {
    Answered.YES: "Zuul was answered",
    Answered.NO: "Zuul was not answered: the connection was lost, and the build handed to another worker",
    Answered.UNKNOWN: "nobody knows whether Zuul was answered",
}


def show_attempts(attempts: Sequence[PastAttempt]) -> None:
    """One line per attempt. Ids are shortened on a terminal."""
    console = screen()
    if not attempts:
        console.print("No builds.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Build", "Attempt", "Verdict", "Job", "Change", "Started", "Took", "Worker"):
        table.add_column(title, overflow="fold", justify="right" if title in {"Attempt", "Took"} else "left")
    for attempt in attempts:
        table.add_row(
            plain(attempt.build[:_SHORT_ID] if console.is_terminal else attempt.build),
            str(attempt.attempt),
            styled_verdict(attempt.verdict),
            plain(attempt.job),
            plain(attempt.change),
            f"{attempt.started.astimezone():%Y-%m-%d %H:%M}",
            format_duration(attempt.duration_s),
            plain(attempt.worker),
        )
    console.print(table)


def show_quarantined(entries: Sequence[BuildEntry], evidence: Evidence) -> None:
    """The builds that are not tried any more: why, and where the evidence of each attempt is."""
    console = screen()
    if not entries:
        console.print("No build is in quarantine.")
    for entry in entries:
        request = entry.request
        what = f"{plain(request.id)} {plain(request.job)} {plain(str(request.change))}"
        console.print(f"[bold yellow]QUARANTINED[/bold yellow] {what}", highlight=False, soft_wrap=True)
        console.print(f"  {plain(entry.quarantined or '')}", highlight=False, soft_wrap=True)
        for attempt in entry.attempts:
            words = f"  attempt {attempt.attempt}: {attempt.verdict or 'no end'}: {plain(attempt.summary)}"
            console.print(words, highlight=False, soft_wrap=True)
            place = evidence.of(request.id, attempt.attempt)
            if place.is_dir():
                console.print(f"    evidence: {plain(str(place))}", highlight=False, soft_wrap=True, style="dim")
        console.print(f"  Try again: thcore builds retry {plain(request.id)}", highlight=False, soft_wrap=True)


def show_build(attempts: Sequence[PastAttempt]) -> None:
    """Every attempt of one build, oldest first."""
    console = screen()
    for number, attempt in enumerate(attempts):
        if number:
            console.print()
        _show(console, attempt)


def _show(console: Console, attempt: PastAttempt) -> None:
    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    line(f"[bold]{plain(attempt.build)}[/bold] attempt {attempt.attempt} of {plain(attempt.job)}")
    line(f"{styled_verdict(attempt.verdict)} {plain(attempt.summary)}")
    line(f"  Change:   {plain(attempt.change)}" + (f" at {plain(attempt.commit)}" if attempt.commit else ""))
    late = ", ended by its deadline" if attempt.timed_out else ""
    took = f"took {format_duration(attempt.duration_s)}{late}"
    line(f"  Started:  {attempt.started.astimezone():%Y-%m-%d %H:%M:%S %z}, {took}")
    line(f"  Worker:   {plain(attempt.worker)}; {_ANSWERS[attempt.answered]}")
    if attempt.url:
        line(f"  Evidence: {plain(attempt.url)}")
    stages = told_stages(attempt.stages)
    if stages:
        line(f"  Stages:   {stages}")
    for dataset in attempt.datasets:
        show_dataset(console, dataset, every_counter=True)
    for finding in attempt.findings:
        show_finding(console, finding, code=True)
