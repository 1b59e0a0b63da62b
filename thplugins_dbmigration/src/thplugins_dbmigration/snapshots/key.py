"""What a snapshot depends on, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from attrs import field, frozen

LAYOUT = 3
"""Counted up whenever snapshots are made or kept in another way, so that older ones are not used."""


@frozen
class Key:
    """Everything that a snapshot depends on.

    ``kind`` is ``dataset`` (restored), ``release`` (walked to the end of a release), ``trunk`` (walked to the target
    branch), ``boundary`` (before a step of a change), ``empty`` (any of these without its rows) or
    ``fresh`` (the schema of a fresh install, in the notes). ``dataset`` is the dataset's name, of a fresh install the
    project's. ``parts`` are readable, shown to people, and hold no secret: project, fingerprint, engine, its version
    and settings, account, tool, commit, environment, ``after`` for the digest of the snapshot that it was made from,
    and whatever else what was done depended on.
    """

    kind: str
    dataset: str
    parts: Mapping[str, str] = field(factory=dict)

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that change when anything does."""
        whole = [LAYOUT, self.kind, self.dataset, sorted((str(name), str(part)) for name, part in self.parts.items())]
        return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"{self.kind} {self.dataset} ({self.digest[:12]})"
