"""``thcore show``: a result, for people and in the forms that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click

from thcore.cli.arguments import json_option
from thcore.cli.retrieval import retrieved
from thcore.forms import junit, markdown, sarif
from thcore.model import Outcome
from thcore.model.document import to_json

TABLE = "table"
_FORMS: Mapping[str, Callable[[Outcome, int], str]] = {
    "json": lambda outcome, _limit: to_json(outcome),
    "junit": lambda outcome, _limit: junit.to_xml(outcome),
    "sarif": lambda outcome, _limit: sarif.to_json(outcome),
    "markdown": markdown.to_markdown,
}


@click.command(short_help="Show a result, from a file, a directory or a page.")
@click.argument("result")
@click.option(
    "--format",
    "form",
    type=click.Choice([TABLE, *_FORMS]),
    default=TABLE,
    show_default=True,
    help="What to print. Other than a table, it is UTF-8.",
)
@click.option(
    "--limit",
    type=click.IntRange(markdown.LEAST),
    default=markdown.LIMIT,
    show_default=True,
    help="Characters that a comment in Markdown has at most.",
)
@json_option
def show(result: str, form: str, limit: int, *, as_json: bool) -> None:
    """Show what became of a build, why, and what to do next.

    RESULT is a result.json, the directory of a build's evidence, or the address of its page (http or https). A single
    dash reads standard input. No worker and no configuration are needed. Exits with 0 whatever the verdict is, with 64
    when there is no result, with 69 when the server does not give it.

    \b
    Example: thcore show https://logs.example.org/45/12345/2/check/gate/8a9fd9f/
             thcore show --format junit result.json > junit.xml
    """
    outcome = retrieved(result)
    form = "json" if as_json else form
    if form == TABLE:
        from thcore.cli.outcome import screen, show_result

        show_result(screen(), outcome)
        return
    text = _FORMS[form](outcome, limit)
    # In bytes: the form says that it is UTF-8, whatever the terminal's own encoding is.
    click.echo(text.encode("utf-8"), nl=False)
