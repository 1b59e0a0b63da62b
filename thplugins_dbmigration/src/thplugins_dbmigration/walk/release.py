"""Releases that a dataset climbs through before the change, as a job or a dataset declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from thcore.hooks import option
from thcore.model import Revision

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. /-]{0,99}")


@frozen
class Fixup:
    """What has to be done to the data when the database is at a version, because a project's upgrade notes say so."""

    at: str = option("The version at which it is run, before any step that follows. As in until.", example="'329'")
    sql: str | None = option(
        "A file of SQL, relative to the dataset's directory.", default=None, example="fill_project_ids.sql"
    )
    command: tuple[str, ...] | None = option(
        "A program of the project; templates. It is run in the working directory, inside the environment.",
        default=None,
        example="[nova-manage, --config-file, '{config}/nova.conf', db, online_data_migrations]",
    )

    def __attrs_post_init__(self) -> None:
        if not self.at:
            raise ValueError("at is empty; name the version")
        if (self.sql is None) == (not self.command):
            raise ValueError("give sql, a file of the dataset, or command, a program of the project: one of them")

    @property
    def words(self) -> str:
        """What it is, for people."""
        return self.sql if self.sql is not None else " ".join(self.command or ())


@frozen
class Release:
    """A state of the project that a dataset is brought to with the code of that time, in its own environment."""

    name: str = option("What reports call it.", example="victoria")
    branch: str | None = option("The branch that has it.", default=None, example="stable/victoria")
    tag: str | None = option("Or the tag.", default=None, example="'22.4.0'")
    commit: str | None = option(
        "Or the commit, 40 hexadecimal digits.", default=None, example="4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    )
    until: str | tuple[str, ...] = option(
        "The version that it leads to, or several, of any chain: a version, its first digits (6 or more), a number; of "
        "Alembic also a label, or LABEL@head. Without it, to the head of every chain.",
        default=(),
        example="'412'",
    )
    options: Mapping[str, Mapping[str, Any]] = option(
        "Options of the plugins of checkout and environment, laid over the job's for this release.",
        factory=dict,
        example="{venv: {python: '3.9', exclude_newer: '2023-06-01'}}",
    )
    tool: str | None = option(
        "What the project migrated with, where that was another tool.", default=None, example="alembic"
    )
    tool_options: Mapping[str, Any] = option(
        "Options of the tool, laid over the job's.", factory=dict, example="{config: nova/db/main/alembic.ini}"
    )
    variables: Mapping[str, str] = option(
        "Laid over the job's variables.", factory=dict, example="{OS_LOG_LEVEL: debug}"
    )
    files: Mapping[str, str] = option(
        "Laid over the job's files.", factory=dict, example='{nova.conf: "[database]\\nconnection = {url:pymysql}\\n"}'
    )
    fixups: tuple[Fixup, ...] = option("What has to be done to the data on the way.", default=())

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name: {self.name!r} is no name; use letters, digits, space, _, -, . and /")
        if sum(text is not None for text in (self.branch, self.tag, self.commit)) != 1:
            raise ValueError(f"release {self.name}: give one of branch, tag and commit")

    @property
    def revision(self) -> Revision:
        """What is checked out."""
        return Revision(self.branch, self.tag, self.commit)

    @property
    def targets(self) -> tuple[str, ...]:
        """The versions that it leads to; none: the heads."""
        return (self.until,) if isinstance(self.until, str) else self.until
