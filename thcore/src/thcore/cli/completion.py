"""``thcore completion``: what a shell needs to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_THCORE_COMPLETE"  # as click itself names it after the program


@click.command(short_help="Print what makes a shell complete our commands.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete the commands and options of thcore, those of plugins included.

    \b
    Example: thcore completion bash > ~/.thcore.bash
    """
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(made(ctx.find_root().command, {}, "thcore", _VARIABLE).source())
