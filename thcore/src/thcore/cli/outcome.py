"""An outcome for people: the verdict, why, what to do next, and what was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console

from thcore.cli.dataset import show_dataset, styled
from thcore.cli.terminal import plain, printable
from thcore.forms.advice import advice, hinted, shown_by
from thcore.forms.evidence import ends
from thcore.forms.legible import bounded
from thcore.model import Finding, Outcome, Severity, StageResult, StageRun, Verdict, repetition
from thcore.model.finding import by_weight
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
MESSAGE_LIMIT = 2_000
"""Characters of a message, a hint or a line of evidence; result.json has all of them."""
_PIPE_WIDTH = 200


def screen() -> Console:
    """Standard output. A pipe has no edge to fold at."""
    console = Console()
    return console if console.is_terminal else Console(width=_PIPE_WIDTH)


def show_outcome(console: Console, outcome: Outcome) -> None:
    """What became of a build that was followed: the verdict, each dataset's steps, why, and where the evidence is."""
    took = format_duration(outcome.duration_s)
    # The findings below say it again, with their place and evidence.
    said = any(outcome.summary.startswith(finding.message) for finding in outcome.findings[:MAXIMUM_FINDINGS])
    summary = "" if said else f" {_short(outcome.summary)}"
    console.print(f"{styled_verdict(outcome.verdict)}{summary} [dim]({took})[/dim]", highlight=False)
    for dataset in outcome.datasets:
        show_dataset(console, dataset)
    for finding in outcome.findings[:MAXIMUM_FINDINGS]:
        show_finding(console, finding)
    if len(outcome.findings) > MAXIMUM_FINDINGS:
        console.print(f"  and {len(outcome.findings) - MAXIMUM_FINDINGS} more")
    for publication in outcome.publications:
        console.print(f"  Evidence: {printable(publication.url)}", markup=False, highlight=False, soft_wrap=True)


def show_result(console: Console, outcome: Outcome) -> None:
    """A result that somebody looks up: what happened, why and what to do first, then of which build, then all
    findings, and what was measured."""

    def line(text: str = "") -> None:
        console.print(text, highlight=False, soft_wrap=True)

    line(f"{styled_verdict(outcome.verdict)} {_short(outcome.summary)}")
    told = advice(outcome)
    line(f"  {told.meaning}")
    for label, shown in zip(("Shown by:", "         "), shown_by(outcome), strict=False):
        line(f"  [bold]{label}[/bold] {_short(shown)}")
    if told.actions:
        line("  [bold]What to do next:[/bold]")
    for action in told.actions:
        line(f"    {_short(action.who)}: {_short(action.words)}")
        if action.command:
            line(f"      [bold]{_short(action.command)}[/bold]")
    line()
    for fact in _facts(outcome):
        line(f"  {fact}")
    if outcome.findings:
        line()
    quoted = hinted(outcome)
    for finding in by_weight(outcome.findings):
        show_finding(console, finding, code=True, hint=finding is not quoted)
    if outcome.datasets:
        line()
    for dataset in outcome.datasets:
        show_dataset(console, dataset)


def _facts(outcome: Outcome) -> Iterator[str]:
    change, commit = outcome.change, outcome.commit or outcome.change.commit
    target = f" for {plain(change.branch)}" if change.branch else ""
    late = ", ended by its deadline" if outcome.timed_out else ""
    yield f"Job:      {plain(outcome.job)}"
    yield f"Change:   {plain(str(change))}{target}" + (f" at {plain(commit)}" if commit else "")
    yield f"Build:    {plain(outcome.build)}, attempt {outcome.attempt} on {plain(outcome.worker.name)}"
    took = f"took {format_duration(outcome.duration_s)}{late}"
    yield f"Started:  {outcome.started.astimezone():%Y-%m-%d %H:%M:%S %z}, {took}"
    stages = told_stages(outcome.stages)
    if stages:
        yield f"Stages:   {stages}"
    for publication in outcome.publications:
        yield f"Evidence: {plain(publication.url)}"
    yield f"Again:    {_short(repetition.command(outcome.job, outcome.change))}"


def told_stages(stages: Iterable[StageRun]) -> str:
    """The stages that ran, how they ended and how long they took, as markup in one line."""
    ran = (stage for stage in stages if stage.result is not StageResult.SKIPPED)
    return ", ".join(
        f"{stage.name.value} {styled(stage.result.value)} {format_duration(stage.duration_s)}" for stage in ran
    )


def show_finding(console: Console, finding: Finding, *, code: bool = False, hint: bool = True) -> None:
    """What it says and where, its evidence in short, and, with ``hint``, what to do next; with ``code``, what scripts
    know it by."""
    tone = SEVERITY_STYLE[finding.severity]
    label = f"[{tone}]{finding.severity.value}[/{tone}]" if tone else finding.severity.value
    named = f" {plain(finding.code)}" if code else ""
    where = f" [dim]({plain(str(finding.location))})[/dim]" if str(finding.location) else ""
    console.print(f"  {label}{named}: {_short(finding.message)}{where}", highlight=False, soft_wrap=True)
    for each in ends(finding.evidence, MAXIMUM_LINES):
        console.print(f"    {bounded(each, MESSAGE_LIMIT)}", markup=False, highlight=False, style="dim", soft_wrap=True)
    if hint and finding.hint:
        console.print(f"    {bounded(finding.hint, MESSAGE_LIMIT)}", markup=False, highlight=False, soft_wrap=True)
        if finding.command:
            console.print(
                f"      {bounded(finding.command, MESSAGE_LIMIT)}", markup=False, highlight=False, soft_wrap=True
            )


def styled_verdict(verdict: Verdict) -> str:
    """The verdict in its colour, as markup."""
    return f"[{VERDICT_STYLE[verdict]}]{verdict.value}[/{VERDICT_STYLE[verdict]}]"


def _short(text: str) -> str:
    return plain(bounded(text, MESSAGE_LIMIT))
