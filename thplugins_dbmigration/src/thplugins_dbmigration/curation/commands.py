"""``thcore datasets``: the command group."""

from __future__ import annotations

import click

from thplugins_dbmigration.curation.reading import fingerprint, list_, show, verify
from thplugins_dbmigration.curation.visiting import shell
from thplugins_dbmigration.curation.writing import add, update


@click.group(short_help="Look after the datasets: add, check, update, look into them.")
def datasets() -> None:
    """List, show, make, check and bring forward datasets, and look into them.

    \b
    Example: thcore datasets verify
    """


for command in (list_, show, add, verify, fingerprint, update, shell):
    datasets.add_command(command)
