"""``thcore plugins``: what is installed, what it brings, and what is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator

import click
from attrs import evolve
from cattrs.preconf.json import make_converter
from rich.console import Console
from rich.table import Table

from thcore.cli.arguments import json_option
from thcore.cli.findings import broken, findings_json, show_findings
from thcore.cli.terminal import plain
from thcore.cli.twin import Twin
from thcore.errors import ExitCode
from thcore.plugins import DISABLE, Cost, Entry, FieldDoc, candidates, inventory
from thcore.plugins.discovery import disabled_in_vain


@click.group(
    cls=Twin,
    twin="thcore.cli.plugin:plugin",
    invoke_without_command=True,
    short_help="List, describe and check the installed plugins.",
)
@json_option
@click.pass_context
def plugins(context: click.Context, *, as_json: bool) -> int:
    """List the installed plugins: what each does, what it costs at the start, and what is wrong with it.

    \b
    Example: thcore plugins --json | jq '.[].name'
    """
    if context.invoked_subcommand is not None:
        return ExitCode.SUCCESS
    entries = inventory()
    if as_json:
        _print_json(entries)
    else:
        _show_all(entries)
    for message in disabled_in_vain():
        click.echo(f"Warning: {message}", err=True)
    return _exit_code(entries)


@plugins.command()
@click.argument("name")
@json_option
def show(name: str, *, as_json: bool) -> int:
    """Show one plugin: its hooks, and its options with types, defaults and meaning, and where each was written.

    \b
    Example: thcore plugins show dbmigration
    """
    entries = inventory(name)
    if not entries:
        raise click.UsageError(_not_installed(name))
    if as_json:
        _print_json(entries)
    else:
        console = _console()
        for entry in entries:
            _show(console, entry)
    return _exit_code(entries)


@plugins.command()
@click.argument("target", metavar="PATH|NAME")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@json_option
def check(target: str, *, strict: bool, as_json: bool) -> int:
    """Check a plugin: its metadata, hooks, arguments, options and imports, and how long it takes to load.

    PATH is a directory with a pyproject.toml, or a wheel; neither need be installed. NAME is an installed plugin. It
    is imported in a process of its own.

    \b
    Example: thcore plugins check ./acme-report
    """
    from thcore.plugins.check import check as examine
    from thcore.plugins.subject import subjects

    findings = [evolve(finding, plugin=each.name) for each in subjects(target) for finding in examine(each)]
    if as_json:
        click.echo(findings_json(findings))
    else:
        show_findings(findings)
    return ExitCode.CONFIG if broken(findings, strict=strict) else ExitCode.SUCCESS


def _print_json(entries: tuple[Entry, ...]) -> None:
    click.echo(json.dumps(make_converter().unstructure(entries, tuple[Entry, ...]), indent=2))


def _exit_code(entries: Iterable[Entry]) -> ExitCode:
    return ExitCode.CONFIG if any(entry.problems for entry in entries) else ExitCode.SUCCESS


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=200)  # a file or a pipe has no edge to fold at


def _show_all(entries: tuple[Entry, ...]) -> None:
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Plugin", "Distribution", "Stages", "Import", "Options"):
        table.add_column(title, overflow="fold", justify="right" if title == "Import" else "left")
    for entry in entries:
        options = ", ".join(
            option.name + ("" if option.default is not None else " (required)") for option in entry.options
        )
        name = f"[red]{plain(entry.name)}[/red]" if entry.problems else plain(entry.name)
        owner = plain(f"{entry.distribution} {entry.version}")
        table.add_row(name, owner, _stages(entry), _cost(entry.cost), plain(options))
    console.print(table)
    for entry in entries:
        _show_problems(console, entry)
    for entry in entries:
        if entry.cost is not None and entry.cost.slow:
            told = f"is slow to import; what takes it so long is told by: thcore plugins check {plain(entry.name)}"
            console.print(f"[yellow]{plain(entry.name)}[/yellow] {told}", highlight=False, soft_wrap=True)


def _stages(entry: Entry) -> str:
    if entry.problems:
        return ""
    return "disabled" if entry.disabled else ", ".join(entry.stages) or "none"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return ""
    told = f"{cost.cpu_s * 1000:.0f} ms"
    return f"[yellow]{told}[/yellow]" if cost.slow else told


def _show_problems(console: Console, entry: Entry) -> None:
    for problem in entry.problems:
        owner = plain(f"{entry.distribution} {entry.version}")
        console.print(f"[red]{plain(entry.name)}[/red] ({owner}): {plain(problem)}", highlight=False, soft_wrap=True)


def _show(console: Console, entry: Entry) -> None:
    console.print(f"[bold]{plain(entry.name)}[/bold]", highlight=False)
    for title, text in _facts(entry):
        console.print(f"  {title + ':':<14}{plain(text)}", highlight=False, soft_wrap=True)
    _show_problems(console, entry)
    if entry.hooks:
        console.print("\n[bold]Hooks[/bold]")
        for hook in entry.hooks:
            console.print(f"  {hook:<24}{plain(entry.places.get(hook, ''))}", highlight=False, soft_wrap=True)
    for title, where, described in (
        ("Options of a job", "options", entry.options),
        ("Settings of the worker", "settings", entry.settings),
    ):
        if described:
            console.print(f"\n[bold]{title}[/bold]  {plain(entry.places.get(where, ''))}", highlight=False)
            for field in described:
                _show_field(console, field)


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    yield "Distribution", f"{entry.distribution} {entry.version}"
    if entry.wants:
        yield "Works with", f"thcore{entry.wants}"
    if "plugin" in entry.places:
        yield "File", entry.places["plugin"]
    if entry.disabled:
        yield "Disabled", f"by {DISABLE} in the environment"
    if entry.cost is not None:
        yield "Import", f"{entry.cost.cpu_s * 1000:.0f} ms of CPU, {entry.cost.wall_s * 1000:.0f} ms in all"
    if entry.stages:
        yield "Stages", ", ".join(entry.stages)


def _show_field(console: Console, field: FieldDoc) -> None:
    default = "required" if field.default is None else f"default {field.default or 'empty'}"
    console.print(f"  [bold]{plain(field.name)}[/bold]: {plain(field.type)}, {plain(default)}", highlight=False)
    if field.doc:
        console.print(f"      {plain(field.doc)}", highlight=False)
    if field.example is not None:
        console.print(f"      Example: {plain(field.name)}: {plain(field.example)}", highlight=False)


def _not_installed(name: str) -> str:
    close = difflib.get_close_matches(name, {candidate.name for candidate in candidates()}, n=1)
    hint = f"did you mean {close[0]}?" if close else "what is installed is listed by: thcore plugins"
    return f"no plugin {name} is installed; {hint}"
