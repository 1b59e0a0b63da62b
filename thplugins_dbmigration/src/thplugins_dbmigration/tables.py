"""Tables of the commands, for people."""

from __future__ import annotations

from collections.abc import Collection

import click
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def table(*titles: str, right: Collection[str] = ("Size",)) -> Table:
    """An empty table; columns whose titles are in ``right`` hold numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        made.add_column(title, overflow="fold", justify="right" if title in right else "left")
    return made


def row(table: Table, *cells: str) -> None:
    """Add a row."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """Names are others' words: no markup, nothing that steers a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


def show(table: Table) -> None:
    """Print a table as wide as the terminal is, elsewhere as wide as it has to be, up to a bound."""
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def say(*lines: str, err: bool = False) -> None:
    """Print lines of text."""
    for line in lines:
        click.echo(printable(line), err=err)


def warn(text: str) -> None:
    """Say something that nobody may overlook, on standard error."""
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(Panel(Text(text), title="Warning", border_style="bold red"))
    else:
        click.echo(f"WARNING: {text}", err=True)
