"""``thcore config``: check the configuration, show what it amounts to, and help to write it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import yaml

from thcore.cli.arguments import config_option, json_option, read_config
from thcore.cli.documentation import CONFIGURATION
from thcore.config import PluginClasses, find, json_schema, load, shown
from thcore.errors import ConfigError, ExitCode
from thcore.pipeline.plan import make_plans, used_plugins
from thcore.plugins import Plugins


@click.group()
def config() -> None:
    """Check and show the configuration, or have an editor check it.

    \b
    Example: thcore config check
    """


@config.command()
def schema() -> None:
    """Print the JSON Schema of the file, with the options of every installed plugin, for editors.

    \b
    Example: thcore config schema > thcore.schema.json
    """
    plugins = Plugins.installed()
    for problem in plugins.problems:
        click.echo(f"Warning: {problem}", err=True)
    loaded = {name: plugins.get(name) for name in plugins.names}
    classes = {name: PluginClasses(plugin.options, plugin.settings) for name, plugin in loaded.items()}
    click.echo(json.dumps(json_schema(classes), indent=2))


@config.command()
@config_option
@json_option
def check(config_file: Path | None, *, as_json: bool) -> int:
    """Check the configuration together with the installed plugins; list every problem.

    \b
    Example: thcore config check -c thcore.yaml
    """
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    jobs = 0
    path: Path | None = None
    try:
        path = find(config_file)
        loaded = load(path)
        notes, jobs = loaded.notes, len(loaded.jobs)
        make_plans(loaded, Plugins.installed(used_plugins(loaded)))
    except ConfigError as error:
        problems = error.problems
    if as_json:
        click.echo(json.dumps({"file": str(path) if path else None, "problems": problems, "notes": notes}, indent=2))
    else:
        for note in notes:
            click.echo(f"Note: {note}")
        for problem in problems:
            click.secho(problem, fg="red")
        if problems:
            click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}.")
            click.echo(f"In the documentation: {CONFIGURATION}", err=True)
        else:
            click.echo(f"{path}: all is well; {jobs} job{'s' if jobs != 1 else ''}.")
    return ExitCode.CONFIG if problems else ExitCode.SUCCESS


@config.command()
@config_option
@json_option
def show(config_file: Path | None, *, as_json: bool) -> None:
    """Show the configuration as it is in force: files merged, defaults filled in, secrets hidden.

    \b
    Example: thcore config show | less
    """
    loaded = read_config(config_file)
    plugins = Plugins.installed(used_plugins(loaded))
    plain = shown(loaded, lambda name: plugins.get(name).options, lambda name: plugins.get(name).settings)
    if as_json:
        click.echo(json.dumps(plain, indent=2))
    else:
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
