"""``thcore compare``: what changed between two results."""

from __future__ import annotations

import json

import click
from cattrs.preconf.json import make_converter

from thcore.cli.arguments import json_option
from thcore.cli.retrieval import retrieved
from thcore.errors import ExitCode
from thcore.forms.comparison import Assessment
from thcore.forms.comparison import compare as compared

CODES = {Assessment.WORSE: ExitCode.FAILURE, Assessment.UNKNOWN: ExitCode.UNVERIFIED}
"""Exit code by assessment; any other one is no reason to object."""


@click.command(short_help="Show what changed between two results.")
@click.argument("before")
@click.argument("after")
@json_option
def compare(before: str, after: str, *, as_json: bool) -> ExitCode:
    """Show what changed from the result BEFORE to the result AFTER: findings that are new or gone, versions, and steps
    with their durations and counters.

    Each is what thcore show takes. Exits with 0 when AFTER is no worse, with 1 when it fails where the other one did
    not, or has a new failure or warning, with 2 when one of them could not be measured to its end (UNVERIFIED or
    CANCELLED) and they differ. Durations and counters are shown and decide nothing: what goes over a limit is a
    finding.

    \b
    Example: thcore compare evidence/8a9fd9f evidence/c41d77e
    """
    if before == after == "-":
        raise click.UsageError("standard input holds one result only")
    comparison = compared(retrieved(before), retrieved(after))
    if as_json:
        text = json.dumps(make_converter().unstructure(comparison), indent=2, allow_nan=False)
        click.echo(text)
    else:
        from thcore.cli.difference import show_comparison
        from thcore.cli.outcome import screen

        show_comparison(screen(), comparison)
    return CODES.get(comparison.assessment, ExitCode.SUCCESS)
