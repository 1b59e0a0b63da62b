"""Options that several of the commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

directory_option = click.option(
    "-d",
    "--directory",
    "root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the datasets are. Default: where the jobs look.",
)
job_option = click.option("--job", help="The job whose options and plugins count. Default: the first that has it.")
project_option = click.option(
    "--project", help="The project as Zuul names it, where the dataset has a shorter name of it."
)


def of_a_dataset(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument NAME, and which one of several of that name is meant."""
    return click.argument("name")(directory_option(job_option(command)))
