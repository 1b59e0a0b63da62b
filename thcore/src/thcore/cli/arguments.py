"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from thcore.config import TURBO_HIPSTERS, find, load
from thcore.config.schema import Config
from thcore.hooks.premises import config_option, json_option

__all__ = ["change_options", "config_option", "json_option", "read_config", "zuul_arguments"]


def read_config(config_file: Path | None) -> Config:
    """The configuration that a command works with. Raises ConfigError with all problems."""
    path = find(config_file)
    if config_file is None and path in TURBO_HIPSTERS:
        click.echo(
            f"Note: there is no configuration of thcore's own; turbo-hipster's {path} is used. In thcore's format,"
            f" for /etc/thcore/config.yaml, it is printed by: thcore config show -c {path}",
            err=True,
        )
    return load(path)


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say what a build is for: ``--project`` and what of it to test."""
    options = (
        click.option("--project", required=True, help="The project, as Zuul names it: example/shop."),
        click.option("--branch", help="Target branch of the change; alone, its tip is tested."),
        click.option("--ref", help="What to fetch: refs/changes/45/12345/2, refs/tags/1.0."),
        click.option("--commit", help="The commit to end at, 40 hexadecimal digits."),
        click.option("--source", help="Base URL or directory to fetch the ref from. Default: the job's origin."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def zuul_arguments(
    job: str,
    pipeline: str,
    *,
    project: str,
    branch: str | None,
    ref: str | None,
    commit: str | None,
    source: str | None,
) -> dict[str, str]:
    """The arguments that Zuul would send for this build. Raises click.UsageError when they do not say what to test."""
    from thcore.gearman import client

    if not ref and not branch:
        raise click.UsageError("say what to test: --branch main, or --branch main with --ref refs/changes/45/12345/2")
    values = client.zuul_parameters(
        project, job=job, branch=branch, ref=ref, commit=commit, url=source, pipeline=pipeline
    )
    if commit and branch and not ref:
        # As after a merge: the branch, at that commit.
        values |= {"ZUUL_REF": branch, "ZUUL_NEWREV": commit}
    return values
