"""``thcore history``: a job over time, from the history. No worker needs to run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click
from cattrs.preconf.json import make_converter
from rich.console import Console

from thcore.cli.arguments import config_option, json_option
from thcore.cli.builds import history_of
from thcore.cli.past import show_attempts
from thcore.cli.terminal import plain


@click.command("history", short_help="Show how a job's builds and steps went over time.")
@click.argument("job")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="How many builds at most.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Instead: write the page with charts to this file.",
)
@config_option
@json_option
def history(job: str, limit: int, page: Path | None, config_file: Path | None, *, as_json: bool) -> None:
    """Show the newest builds of JOB, and for each step that ran more than once what it cost then and now.

    \b
    Example: thcore history gate-shop --html gate-shop.html
    """
    with history_of(config_file) as opened:
        past = opened.job(job, limit=limit)
    if not past.attempts:
        raise click.UsageError(f"the history has no build of a job {job!r}; `thcore builds` lists those that it has")
    if as_json:
        click.echo(json.dumps(make_converter().unstructure(past), indent=2))
    if page is not None:
        from thcore.pages import html

        try:
            page.write_bytes(html.history_page(past, ()))
        except OSError as error:
            raise click.BadParameter(f"{page} cannot be written: {error.strerror}", param_hint="--html") from None
    if as_json or page is not None:
        return
    from thcore.pages.history import Figure, sentence, view

    seen = view(past)
    console = Console()

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    def figures(of: Iterable[Figure]) -> None:
        for figure in of:
            line(f"  {plain(figure.name)}, {plain(figure.words)}")

    line(f"[bold]{plain(job)}[/bold]: {plain(sentence(seen))}")
    figures(seen.figures)
    for step in seen.steps:
        ran = step.result.step
        where = f"{step.run.name} on {step.run.engine} {step.run.engine_version}"
        line(f"\n[bold]{plain(ran.version)}[/bold] {plain(ran.title)} [dim]({plain(where)})[/dim]")
        figures(step.figures)
    if seen.left_out:
        line(f"\n{seen.left_out} more steps are left out.")
    console.print()
    show_attempts(past.attempts)
