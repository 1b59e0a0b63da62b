"""A build as it runs, for people: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from thcore.cli.dataset import show_dataset, styled
from thcore.cli.terminal import plain, printable
from thcore.model import BuildEvent, BuildEventKind, Finding, Outcome, Severity, Verdict
from thcore.model.quantity import format_duration

VERDICT_STYLE = {
    Verdict.SUCCESS: "bold green",
    Verdict.FAILURE: "bold red",
    Verdict.UNVERIFIED: "bold yellow",
    Verdict.CANCELLED: "bold",
}
SEVERITY_STYLE = {
    Severity.FAILURE: "red",
    Severity.UNVERIFIED: "yellow",
    Severity.WARNING: "yellow",
    Severity.INFO: "",
}
MAXIMUM_FINDINGS = 10
MAXIMUM_LINES = 6
"""How much of a finding's evidence is shown: half from its beginning, where the gate puts what counts, half from its
end, where programs say why they failed."""


class BuildDisplay:
    """Shows the events of one build. On a terminal, one line per stage with a bar; elsewhere a line per event."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        self._console = console
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def hear(self, event: BuildEvent) -> None:
        """Take one event."""
        if event.stage is None:
            return
        if self._progress is None:
            self._print(event)
        else:
            self._draw(self._progress, event, event.stage)

    def stop(self) -> None:
        """Draw no more: the terminal is somebody else's now."""
        if self._progress is not None:
            self._progress.stop()

    def _print(self, event: BuildEvent) -> None:
        at = f"{event.at:%H:%M:%S}"
        if event.kind is BuildEventKind.STAGE_STARTED:
            self._console.print(f"{at} {event.stage}", markup=False, highlight=False)
        elif event.kind is BuildEventKind.STAGE_ENDED:
            self._console.print(f"{at} {event.stage}: {printable(event.detail)}", markup=False, highlight=False)
        else:
            part = f" ({event.done}/{event.total})" if event.total else ""
            self._console.print(f"{at}   {printable(event.detail)}{part}", markup=False, highlight=False)

    def _draw(self, progress: Progress, event: BuildEvent, stage: str) -> None:
        if event.kind is BuildEventKind.STAGE_STARTED:
            self._tasks[stage] = progress.add_task(f"{stage:12}", total=None, detail="")
            return
        task = self._tasks.get(stage)
        if task is None:  # whoever listens late has missed its start
            return
        if event.kind is BuildEventKind.PROGRESS:
            total = event.total or None
            progress.update(task, total=total, completed=event.done, detail=plain(event.detail))
            return
        progress.update(task, total=1, completed=1, detail=styled(event.detail))
        progress.stop_task(task)


@contextmanager
def build_display(console: Console, *, quiet: bool = False) -> Iterator[BuildDisplay]:
    """A display for the time of a build. ``quiet`` shows nothing, for ``--json``."""
    if quiet:
        yield BuildDisplay(Console(quiet=True), None)
    elif not console.is_terminal:
        yield BuildDisplay(console, None)
    else:
        columns = (
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
        )
        with Progress(*columns, console=console) as progress:
            yield BuildDisplay(console, progress)


def show_outcome(console: Console, outcome: Outcome) -> None:
    """The verdict, each dataset's steps, why, and where the evidence is."""
    style = VERDICT_STYLE[outcome.verdict]
    took = format_duration(outcome.duration_s)
    # The findings below say it again, with their place and evidence.
    said = any(outcome.summary.startswith(finding.message) for finding in outcome.findings[:MAXIMUM_FINDINGS])
    summary = "" if said else f" {plain(outcome.summary)}"
    console.print(f"[{style}]{outcome.verdict.value}[/{style}]{summary} [dim]({took})[/dim]", highlight=False)
    for dataset in outcome.datasets:
        show_dataset(console, dataset)
    for finding in outcome.findings[:MAXIMUM_FINDINGS]:
        _show_finding(console, finding)
    if len(outcome.findings) > MAXIMUM_FINDINGS:
        console.print(f"  and {len(outcome.findings) - MAXIMUM_FINDINGS} more")
    for publication in outcome.publications:
        console.print(f"  Evidence: {printable(publication.url)}", markup=False, highlight=False, soft_wrap=True)


def _show_finding(console: Console, finding: Finding) -> None:
    tone = SEVERITY_STYLE[finding.severity]
    label = f"[{tone}]{finding.severity.value}[/{tone}]" if tone else finding.severity.value
    where = f" [dim]({plain(str(finding.location))})[/dim]" if str(finding.location) else ""
    console.print(f"  {label}: {plain(finding.message)}{where}", highlight=False, soft_wrap=True)
    for line in _shortened(finding.evidence):
        console.print(f"    {printable(line)}", markup=False, highlight=False, style="dim", soft_wrap=True)
    if finding.hint:
        console.print(f"    {printable(finding.hint)}", markup=False, highlight=False, soft_wrap=True)


def _shortened(lines: Sequence[str]) -> Sequence[str]:
    if len(lines) <= MAXIMUM_LINES:
        return lines
    half = MAXIMUM_LINES // 2
    return (*lines[:half], "…", *lines[-half:])
