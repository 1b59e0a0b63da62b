"""A project with releases, at hand as one work tree for each revision, and builds that climb through them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from thcore.model import BuildEvent, Change, ChangeKind, Execution, Provision, Revision
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings
from thplugins_dbmigration.walk.release import Release

from parts.alembic_project import AlembicProject

CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")

ENV = """
import os
from pathlib import Path

from alembic import context
from sqlalchemy import create_engine, pool

with open(os.environ["STARTS"], "a") as marker:
    marker.write(Path.cwd().name + "\\n")
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
"""Says whenever the project is started, and from which work tree."""


@frozen
class Releases:
    """Work trees below ``root``, by the name of a branch, a tag or ``change``."""

    root: Path
    settings: DbmigrationSettings = field(factory=DbmigrationSettings)
    provided: list[tuple[str, Any]] = field(factory=list)
    """Which revisions builds have had prepared, and with which options."""

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    def tree(self, name: str, like: str | None = None) -> AlembicProject:
        """The work tree of a revision; with ``like`` it is made anew, as a copy of another one."""
        path = self.root / "trees" / name
        if like is not None:
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(self.root / "trees" / like, path, ignore=shutil.ignore_patterns("__pycache__"))
        if path.is_dir():
            tree = object.__new__(AlembicProject)
            tree.path = path
            return tree
        return AlembicProject(path, env=ENV)

    def starts(self) -> list[str]:
        """The work trees whose env.py was run since this was asked last, in order."""
        path = self.root / "starts"
        names = path.read_text().split() if path.is_file() else []
        path.unlink(missing_ok=True)
        return names

    def prepared(self) -> list[str]:
        """The revisions that were prepared since this was asked last."""
        names = [name for name, _ in self.provided]
        self.provided.clear()
        return names

    def logs(self) -> list[str]:
        """The logs of all builds so far."""
        return [path.read_text() for path in sorted(self.root.glob("workspace-*/artifacts/console.log"))]

    def provide(self, revision: Revision, *, options: Mapping[str, Any] | None = None) -> Provision:
        self.provided.append((str(revision), dict(options or {})))
        return self.tree(str(revision)).provision()

    def gate(
        self,
        *releases: Release,
        change: Change = CHANGE,
        events: list[BuildEvent] | None = None,
        state: Path | None = None,
        **options: Any,
    ) -> Execution:
        """One build."""
        with make_build(
            self.root,
            change=change,
            provide=self.provide,
            events=events,
            settings=self.settings,
            state=state or self.root / "state",
            build_id=uuid.uuid4().hex,
            resolve=lambda revision: self.tree(str(revision)).provision().checkout.commit,
        ) as build:
            provision = self.tree("change").provision()
            variables = {"STARTS": str(self.root / "starts"), **options.pop("variables", {})}
            wanted = DbmigrationOptions(self.datasets, releases=releases, variables=variables, **options)
            return gate.run(build, wanted, provision.checkout, provision.environment)
