"""``thcore plugin``: for those who write plugins."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from thcore.cli.terminal import printable
from thcore.cli.twin import Twin
from thcore.errors import ExitCode, RefusedError
from thcore.model import StageName


@click.group(cls=Twin, twin="thcore.cli.plugins:plugins", short_help="Write a plugin of your own.")
def plugin() -> None:
    """Write a plugin of your own. Those that are installed are listed by thcore plugins.

    \b
    Example: thcore plugin new slow_tests
    """


@plugin.command(short_help="Make a distribution to start from.")
@click.argument("name")
@click.option(
    "--stage",
    type=click.Choice([stage.value for stage in StageName]),
    default=StageName.ANALYSE.value,
    show_default=True,
    help="What the plugin is to do.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write it. Default: ./thplugins-NAME.",
)
def new(name: str, stage: str, directory: Path | None) -> ExitCode:
    """Make a distribution for a plugin called NAME: code, tests, metadata.

    It can be installed as it is, and passes its tests, ruff and mypy --strict.

    \b
    Example: thcore plugin new slow_tests
    """
    from thcore.plugins import discovery
    from thcore.starter import distribution

    names = distribution.named(name)
    taken = [candidate for candidate in discovery.candidates() if candidate.name == names.plugin]
    if taken and taken[0].distribution != names.distribution:
        raise RefusedError(f"{taken[0].distribution} installs a plugin {names.plugin}; choose another name")
    root = directory or Path(names.distribution)
    files = distribution.contents(names, StageName(stage))
    distribution.write(root, files)
    click.echo(f"Made {printable(str(root))}:")
    for file in files:
        click.echo(f"  {file}")
    place = root if root.is_absolute() else f"./{root}"
    click.echo("Install it, and run its tests:")
    click.echo(f"  pip install -e {shlex.quote(f'{place}[test]')}")
    click.echo(f"  pytest {shlex.quote(str(root))}")
    return ExitCode.SUCCESS
