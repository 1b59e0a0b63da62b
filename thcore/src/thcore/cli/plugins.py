"""``thcore plugins``: what is installed."""

from __future__ import annotations

import json

import click
from cattrs.preconf.json import make_converter
from rich.console import Console
from rich.table import Table

from thcore.cli.arguments import json_option
from thcore.cli.terminal import plain
from thcore.errors import ExitCode
from thcore.plugins import inventory
from thcore.plugins.inventory import Entry


@click.command(short_help="List the installed plugins.")
@json_option
def plugins(*, as_json: bool) -> int:
    """List the installed plugins: what each does, its options, and what is wrong with it.

    \b
    Example: thcore plugins --json | jq '.[].name'
    """
    entries = inventory()
    if as_json:
        click.echo(json.dumps(make_converter().unstructure(entries, tuple[Entry, ...]), indent=2))
    else:
        _show(entries)
    return ExitCode.CONFIG if any(entry.problems for entry in entries) else ExitCode.SUCCESS


def _show(entries: tuple[Entry, ...]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)  # a file or a pipe has no edge to fold at
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Plugin", "Distribution", "Stages", "Options"):
        table.add_column(title, overflow="fold")
    for entry in entries:
        options = ", ".join(
            option.name + ("" if option.default is not None else " (required)") for option in entry.options
        )
        stages = ", ".join(entry.stages) or ("" if entry.problems else "none")
        name = f"[red]{plain(entry.name)}[/red]" if entry.problems else plain(entry.name)
        table.add_row(name, plain(f"{entry.distribution} {entry.version}"), stages, plain(options))
    console.print(table)
    for entry in entries:
        for problem in entry.problems:
            owner = f"{entry.distribution} {entry.version}"
            console.print(f"[red]{plain(entry.name)}[/red] ({plain(owner)}): {plain(problem)}", highlight=False)
