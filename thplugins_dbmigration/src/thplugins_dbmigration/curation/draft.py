"""A dataset's directory that is being written: it appears whole, by one rename, or not at all."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from thcore.errors import InfrastructureError
from thplugins_dbmigration import datasets
from thplugins_dbmigration.datasets import CONFIG, Dataset
from thplugins_dbmigration.snapshots.listing import sync
from thplugins_dbmigration.snapshots.lock import Hold, unheld

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""What a dataset may be called: its name is part of paths, of reports and of the names of servers' files."""
_SCRATCH = re.compile(r"\.[0-9a-f]{8}")
_DIRECTORY, _FILE = 0o750, 0o640
"""Data of real people, even if anonymised: for the worker's account and its group."""


@contextmanager
def draft(directory: Path) -> Iterator[Path]:
    """A hidden directory beside ``directory``, where no build looks; it becomes ``directory`` when the context is left
    without an error, and is removed otherwise.

    Raises InfrastructureError (``dataset-not-written``) when ``directory`` is there already, or cannot be written.
    """
    if os.path.lexists(directory):
        raise occupied(directory)
    with scratch(directory) as path:
        yield path
        try:
            for file in (*path.rglob("*"), path):
                file.chmod(_DIRECTORY if file.is_dir() else _FILE)
                sync(file)
            if os.path.lexists(directory):  # an empty one would be replaced
                raise occupied(directory)
            path.rename(directory)
            sync(directory.parent)
        except OSError as error:
            raise unwritable(directory, error) from error


@contextmanager
def scratch(directory: Path) -> Iterator[Path]:
    """A hidden directory beside ``directory``, on the same file system, that is removed afterwards; those that killed
    commands have left are, too."""
    for left in directory.parent.glob(f".{directory.name}.*"):
        if _SCRATCH.fullmatch(left.suffix):
            with unheld(left) as idle:
                if idle:
                    shutil.rmtree(left, ignore_errors=True)
    path = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    try:
        path.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise unwritable(directory, error) from error
    hold = Hold.of(path)
    try:
        yield path
    finally:
        if hold is not None:
            hold.release()
        shutil.rmtree(path, ignore_errors=True)


def write(directory: Path, config: Mapping[str, Any], name: str) -> Dataset:
    """Write config.json, and answer the dataset that it makes, as it will be called. Raises InfrastructureError
    (``dataset-not-written``) with everything that is wrong with it."""
    try:
        (directory / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise unwritable(directory, error) from error
    dataset, problems = datasets.read(directory)
    if dataset is None:
        where = f"{directory / CONFIG}: "
        raise InfrastructureError(
            "\n".join(problem.removeprefix(where) for problem in problems), code="dataset-not-written"
        )
    return evolve(dataset, name=name)


def unwritable(directory: Path, error: OSError) -> InfrastructureError:
    """That the file system said no."""
    return InfrastructureError(f"{directory} cannot be written: {error.strerror or error}", code="dataset-not-written")


def occupied(directory: Path) -> InfrastructureError:
    """That nothing is overwritten."""
    return InfrastructureError(
        f"{directory} is there already; nothing is overwritten: take another name, or move it away",
        code="dataset-not-written",
    )
