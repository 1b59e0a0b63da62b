"""What has been walked on the way to a state: kept as the notes of its snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import cattrs
from attrs import evolve, field, frozen

from thcore.errors import InfrastructureError
from thcore.model import Step, StepResult
from thplugins_dbmigration.census import TableCensus
from thplugins_dbmigration.walk.release import Fixup
from thplugins_dbmigration.walk.sources import Sources

Versions = Mapping[str, tuple[str, ...]]
"""The versions of a database, by chain."""


def by_chain(versions: Mapping[str, Iterable[str]]) -> Versions:
    """The versions of all chains, as a trail has them."""
    return {chain: tuple(sorted(found)) for chain, found in versions.items()}


@frozen
class Trail:
    """The way from a dataset to a state.

    ``start`` and ``versions`` are where the database was and is, ``steps`` what was run, leg by leg. ``files`` are the
    digests of the steps' source files, and of what belongs to them, as they are in the code of the last leg, by path.
    ``fixups`` are those of the job or the dataset itself that are done. ``policy`` is the policy file of that code,
    empty where it has none. ``census`` is what the database holds there, None where nobody has counted.
    """

    start: Versions = field(factory=dict)
    versions: Versions = field(factory=dict)
    steps: tuple[StepResult, ...] = ()
    files: Mapping[str, str] = field(factory=dict)
    fixups: tuple[Fixup, ...] = ()
    policy: str = ""
    census: Mapping[str, TableCensus] | None = None

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> Trail:
        """Read the notes of a snapshot. Raises InfrastructureError (``snapshot-damaged``)."""
        try:
            trail = cattrs.structure(notes, cls)
        except Exception as error:  # cattrs raises exception groups of any kind
            raise InfrastructureError(
                f"the notes of a snapshot cannot be read: {error}", code="snapshot-damaged"
            ) from error
        return evolve(trail, steps=tuple(evolve(step, from_snapshot=True) for step in trail.steps))

    @property
    def notes(self) -> dict[str, Any]:
        """As a snapshot keeps it."""
        made: dict[str, Any] = cattrs.unstructure(self)
        return made

    def knows(self, step: Step) -> bool:
        """Whether a step has been walked, in whatever file."""
        return self._known(step) is not None

    def edits(self, step: Step, sources: Sources) -> bool:
        """Whether a checkout has a step with another content than the last leg's code."""
        known = self._known(step)
        expected = self.files.get(known.path or "") if known else None
        return expected is not None and step.path is not None and sources.digest(step.path) != expected

    def lacking(self, sources: Sources) -> tuple[Step, ...]:
        """The steps whose files the last leg's code has and a checkout has not."""
        steps = (result.step for result in self.steps if result.step.path in self.files)
        return tuple(step for step in steps if step.path and not sources.has(step.path))

    def edited(self, sources: Sources) -> tuple[Step, ...]:
        """The steps whose files a checkout has with another content."""
        lacking = self.lacking(sources)
        steps = (result.step for result in self.steps if result.step not in lacking)
        return tuple(step for step in steps if self.edits(step, sources))

    def _known(self, step: Step) -> Step | None:
        same = (known.step for known in self.steps if known.step.chain == step.chain)
        return next((known for known in same if known.version == step.version), None)
