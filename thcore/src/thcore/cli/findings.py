"""Findings about this machine and its plugins, on a terminal: what is well, what is not, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from cattrs.preconf.json import make_converter
from rich.console import Console

from thcore.cli.terminal import plain
from thcore.model import Finding, Severity

_MARKS = {
    Severity.INFO: "[green]ok[/green]      ",
    Severity.WARNING: "[yellow]warning[/yellow] ",
    Severity.UNVERIFIED: "[red]broken[/red]  ",
    Severity.FAILURE: "[red]broken[/red]  ",
}
_INDENT = " " * 9


def broken(findings: Iterable[Finding], *, strict: bool = False) -> bool:
    """Whether something does not work; ``strict``: or is worth mending."""
    well = {Severity.INFO} if strict else {Severity.INFO, Severity.WARNING}
    return any(finding.severity not in well for finding in findings)


def findings_json(findings: Sequence[Finding]) -> str:
    """The findings for programs."""
    return json.dumps(make_converter().unstructure(list(findings), list[Finding]), indent=2)


def show_findings(findings: Iterable[Finding]) -> None:
    """Each finding in a line; below it the remedy in words, and the command that brings it, alone in its line."""
    console = Console()
    for finding in findings:
        told = f"{_MARKS[finding.severity]} {plain(finding.plugin or 'thcore')}: {plain(finding.message)}"
        console.print(told, highlight=False, soft_wrap=True)
        if finding.hint:
            console.print(f"{_INDENT}{plain(finding.hint)}", highlight=False, soft_wrap=True)
        if finding.command:
            console.print(f"{_INDENT}[bold]{plain(finding.command)}[/bold]", highlight=False, soft_wrap=True)
