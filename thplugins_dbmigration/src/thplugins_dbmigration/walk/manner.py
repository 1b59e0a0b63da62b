"""How a project is migrated at one revision: the job's options, with a dataset's and a release's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import evolve, frozen

from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.walk.release import Release


@frozen
class Manner:
    """How the project is migrated at one revision: the job's options, with a release's laid over them. ``tool_options``
    count before all others."""

    options: DbmigrationOptions
    dataset: Dataset
    tool_options: Mapping[str, Any]

    @classmethod
    def at(cls, options: DbmigrationOptions, dataset: Dataset, release: Release | None = None) -> Manner:
        """That of a release, or of the target branch and the change."""
        if release is None:
            return cls(options, dataset, {})
        laid = evolve(
            options,
            tool=release.tool or options.tool,
            variables={**options.variables, **release.variables},
            files={**options.files, **release.files},
        )
        return cls(laid, dataset, release.tool_options)

    @property
    def tool(self) -> str | None:
        """The tool that is named; None: what the checkout looks like."""
        return self.options.tool or self.dataset.tool

    @property
    def digest(self) -> str:
        """Changes with anything that may change what the migrations do."""
        options = self.options
        own = {name: value for name, value in attrs.asdict(options, recurse=False).items() if attrs.has(type(value))}
        return digest_of(
            self.tool,
            options.working_directory,
            options.variables,
            options.files,
            {self.tool: own.get(self.tool)} if self.tool else own,
            self.dataset.tool_options if self.dataset.tool in {self.tool, None} else {},
            self.tool_options,
        )


def digest_of(*parts: Any) -> str:
    """32 hexadecimal digits that change when any part does."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]
