"""What changed between two results, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from thcore.cli.dataset import styled
from thcore.cli.outcome import show_finding, styled_verdict
from thcore.cli.terminal import plain
from thcore.forms.comparison import WALL, Assessment, Comparison, Difference, Figure, Side, StepDifference
from thcore.model.finding import by_weight
from thcore.model.quantity import format_duration

_ASSESSED = {
    Assessment.SAME: "Nothing differs.",
    Assessment.OTHER: "Nothing is worse or better for the change.",
    Assessment.BETTER: "[green]It is better.[/green]",
    Assessment.WORSE: "[red]It is worse.[/red]",
    Assessment.UNKNOWN: "[yellow]Nobody can tell whether it is worse: one was not measured to its end.[/yellow]",
}
_APART = 1.2
_LEAST_S = 0.1
"""A step whose figures are less than this factor apart is only counted, and so is one that took less time than this
more or less."""
_MOST_FIGURES = 4
_MOST_STEPS = 40
_LONG = 60


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Whether it is worse, then findings, then what else is another: versions, stages, steps."""

    def line(text: str = "") -> None:
        console.print(text, highlight=False, soft_wrap=True)

    before, after = comparison.before, comparison.after
    arrow = f"{styled_verdict(before.verdict)} -> {styled_verdict(after.verdict)}"
    line(f"{arrow} {_ASSESSED[comparison.assessment]}")
    for title, side in (("Before", before), ("After", after)):
        line(f"  {title + ':':8}{_side(side)}")
    _show_findings(console, comparison)
    if comparison.facts:
        line()
        console.print(_facts(comparison.facts), highlight=False)
    stages = [f"{plain(each.name)} {_figure(each)}" for each in comparison.stages if _far(each)]
    if stages:
        line(f"\nStages: {', '.join(stages)}")
    # What the change adds comes first.
    apart = sorted(filter(_apart, comparison.steps), key=lambda step: not step.added)
    if apart:
        line()
        console.print(_steps(apart[:_MOST_STEPS]), highlight=False)
    if len(apart) > _MOST_STEPS:
        line(f"and {len(apart) - _MOST_STEPS} steps more; --json has all of them")
    alike = len(comparison.steps) - len(apart)
    if alike:
        line(f"{alike} step{'s' if alike > 1 else ''} differ{'' if alike > 1 else 's'} by less than a fifth.")


def _side(side: Side) -> str:
    what = f"{plain(side.job)} for {plain(side.change)}, build {plain(side.build)}, attempt {side.attempt}"
    return f"{what}, {side.started.astimezone():%Y-%m-%d %H:%M}, {format_duration(side.duration_s)}"


def _show_findings(console: Console, comparison: Comparison) -> None:
    for title, findings in (("New", comparison.new), ("Gone", comparison.gone)):
        if findings:
            console.print(f"\n{title}:", highlight=False)
        for finding in by_weight(findings):
            show_finding(console, finding, code=True)
    told = [(was, became) for was, became in comparison.reworded if was.message != became.message]
    if told:
        console.print("\nIn both, with other words:", highlight=False)
    for was, became in told:
        show_finding(console, became, code=True)
        console.print(f"    before: {plain(was.message)}", highlight=False, soft_wrap=True, style="dim")
    same = len(comparison.same) - len(told)
    if same:
        console.print(f"\n{same} finding{'s are' if same > 1 else ' is'} in both.", highlight=False)


def _facts(facts: Sequence[Difference]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Of", "What", "Before", "After"):
        table.add_column(title, overflow="fold")
    for fact in facts:
        values = ("[dim]none[/dim]" if value is None else plain(value) for value in (fact.before, fact.after))
        table.add_row(plain(fact.of or "build"), plain(fact.name), *values)
    return table


def _steps(steps: Sequence[StepDifference]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Dataset", "", "Step", "Title", "Result", "Took", "Counters"):
        table.add_column(title, overflow="fold")
    for step in steps:
        wall = next((figure for figure in step.figures if figure.name == WALL), None)
        table.add_row(
            plain(step.dataset),
            "[bold]+[/bold]" if step.added else "",
            plain(step.step),
            plain(step.title[:_LONG]),
            _results(step),
            _figure(wall) if wall else "",
            ", ".join(_counters(step)),
        )
    return table


def _results(step: StepDifference) -> str:
    if step.before is None or step.after is None:
        return f"only {'after' if step.before is None else 'before'}: {styled(step.after or step.before or '')}"
    if step.before == step.after:
        return styled(step.after)
    return f"{styled(step.before)} -> {styled(step.after)}"


def _counters(step: StepDifference) -> Iterator[str]:
    if step.before is None or step.after is None:
        return
    figures = sorted((each for each in step.figures if each.name != WALL and _far(each)), key=_distance)
    for figure in figures[:_MOST_FIGURES]:
        yield f"{plain(figure.name)} {_figure(figure)}"
    if len(figures) > _MOST_FIGURES:
        yield f"and {len(figures) - _MOST_FIGURES} more"


def _distance(figure: Figure) -> float:
    """The further apart, the lower."""
    factor = figure.factor
    return float("-inf") if not factor or factor < 0 else -max(factor, 1 / factor)


def _apart(step: StepDifference) -> bool:
    return step.before != step.after or any(map(_far, step.figures))


def _far(figure: Figure) -> bool:
    before, after = figure.before, figure.after
    if before is None or after is None:
        return True
    if figure.unit == "s" and abs(after - before) < _LEAST_S:
        return False
    low, high = sorted((abs(before), abs(after)))
    return high > low * _APART or (before < 0) != (after < 0)


def _figure(figure: Figure) -> str:
    return " -> ".join(_worded(value, figure.unit) for value in (figure.before, figure.after))


def _worded(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return format_duration(value) if unit == "s" else f"{value:,.0f}"
