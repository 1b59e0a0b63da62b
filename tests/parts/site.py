"""A project beside the database that it is to migrate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.hooks import Build
from thcore.model import Provision
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.tool import Project, Stop, Tool

from parts.guide import Told
from parts.servers import Ground, Kind, ground, query


@frozen
class Site:
    """A tool, and what it is used on."""

    build: Build
    tool: Tool
    project: Project
    ground: Ground

    def walk(self, guide: Told | None = None, **options: Any) -> tuple[Told, Stop]:
        """Let the tool walk; without a guide, all the way."""
        guide = guide or Told()
        return guide, self.tool.walk(self.build, self.tool.options()(**options), self.project, guide)

    def versions(self, chain: str = "", **options: Any) -> frozenset[str]:
        """What the tool reads from the database."""
        return self.tool.versions(self.build, self.tool.options()(**options), self.project, chain)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the dataset's user."""
        return query(self.project.address, statement)


@contextlib.contextmanager
def site(
    kind: Kind, tool: Tool, provision: Provision, place: Path, *, character_set: str | None = None
) -> Iterator[Site]:
    """A site with an empty database, below the directory ``place``."""
    place.mkdir()
    with ground(place, kind) as made, made.server() as server:
        address = server.create("app", "app", "pass:word/1", character_set=character_set)
        config = made.build.workspace.root / "config"
        config.mkdir()
        checkout = provision.checkout.path
        words = Placeholders.of(
            address, dataset="small", checkout=checkout, workspace=made.build.workspace.root, config=config
        )
        yield Site(made.build, tool, Project(provision, address, server, checkout, {}, words, "small"), made)
