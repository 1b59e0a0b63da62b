"""The states that a dataset climbs through before the change: each release, then the target branch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cattrs
from attrs import frozen

from thcore.model import Revision
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.snapshots import Key
from thplugins_dbmigration.walk.manner import Manner, digest_of
from thplugins_dbmigration.walk.release import Fixup


@frozen
class Waypoint:
    """A state on the way, and all that it takes to get there from the one before. ``kind`` is ``release`` or ``trunk``;
    ``name`` is the release's or the branch's; ``provisioning`` are options of the plugins of checkout and
    environment."""

    kind: str
    name: str
    revision: Revision
    manner: Manner
    targets: tuple[str, ...] = ()
    fixups: tuple[Fixup, ...] = ()
    provisioning: Mapping[str, Mapping[str, Any]] = {}

    @property
    def label(self) -> str:
        """What reports call its leg: ``release victoria``, ``main``."""
        return f"release {self.name}" if self.kind == "release" else self.name


def fixups(options: DbmigrationOptions, dataset: Dataset) -> tuple[Fixup, ...]:
    """What has to be done to the data in the legs of the target branch and of the change."""
    return options.fixups if dataset.fixups is None else dataset.fixups


def route(options: DbmigrationOptions, dataset: Dataset, branch: str | None) -> tuple[Waypoint, ...]:
    """The way of a dataset. Without a ``branch`` it ends with the last release."""
    releases = options.releases if dataset.releases is None else dataset.releases
    waypoints = [
        Waypoint(
            "release",
            release.name,
            release.revision,
            Manner.at(options, dataset, release),
            release.targets,
            release.fixups,
            release.options,
        )
        for release in releases
    ]
    if branch is not None:
        manner = Manner.at(options, dataset)
        waypoints.append(Waypoint("trunk", branch, Revision(branch=branch), manner, (), fixups(options, dataset)))
    return tuple(waypoints)


def keys(start: Key, waypoints: Sequence[Waypoint], prepared: Callable[[Waypoint], tuple[str, str]]) -> tuple[Key, ...]:
    """The keys of the states of a route, each of which depends on the one before. ``prepared`` says which commit a
    waypoint's revision is at, and digests how its checkout and environment are made."""
    found = [start]
    for waypoint in waypoints:
        commit, environment = prepared(waypoint)
        parts = {
            "project": waypoint.manner.dataset.project,
            waypoint.kind: waypoint.name,
            "commit": commit,
            "start": ", ".join(waypoint.manner.dataset.start),
            "until": ", ".join(waypoint.targets) or "head",
            "tool": waypoint.manner.tool or "detected",
            "options": waypoint.manner.digest,
            "environment": environment,
            "fixups": digest_of_fixups(waypoint.manner.dataset, waypoint.fixups),
            "after": found[-1].digest,
        }
        inherited = {name: part for name, part in start.parts.items() if name.startswith("engine")}
        found.append(Key(waypoint.kind, start.dataset, {**inherited, **parts}))
    return tuple(found[1:])


def digest_of_fixups(dataset: Dataset, fixups: Sequence[Fixup]) -> str:
    """Changes with the fix-ups and with what their files say."""
    contents = [dataset.file(fixup.sql).read_bytes() if fixup.sql is not None else b"" for fixup in fixups]
    return digest_of(
        *(cattrs.unstructure(fixup) for fixup in fixups), *(hashlib.sha256(each).hexdigest() for each in contents)
    )
