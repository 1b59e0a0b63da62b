"""What can be said of a dataset without restoring it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from thcore.errors import InfrastructureError
from thcore.model.quantity import format_size
from thplugins_dbmigration.curation.catalogue import Entry
from thplugins_dbmigration.dataset_file import WALL, Numbers
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.snapshots import shelf
from thplugins_dbmigration.walk.release import Fixup, Release
from thplugins_dbmigration.walk.route import fixups


@frozen
class Card:
    """A dataset in words. ``size`` is that of seed and overlays as they lie there, in bytes; ``limits`` are numbers by
    counter and step; ``fixups`` say at which version what is done; ``snapshot`` says whether it was restored, and
    ``problems`` why it cannot be used: then all but name, job and directory is empty."""

    name: str
    job: str
    directory: str
    problems: tuple[str, ...] = ()
    project: str = ""
    type: str = ""
    database: str = ""
    user: str = ""
    seed: str = ""
    overlays: tuple[str, ...] = ()
    version: str = ""
    start: tuple[str, ...] = ()
    size: int = 0
    limits: Mapping[str, Numbers] = field(factory=dict)
    releases: tuple[str, ...] = ()
    fixups: tuple[str, ...] = ()
    tool: str = ""
    fingerprint: str = ""
    snapshot: bool = False

    @classmethod
    def of(cls, entry: Entry, state: Path) -> Card:
        """Read it. ``state`` is the plugin's. The fingerprint, for which every byte is read once, is told only where
        there are snapshots of a dataset of that name."""
        name, directory = entry.name, str(entry.directory)
        dataset = entry.dataset
        if dataset is None or entry.problems:
            return cls(name, entry.job, directory, entry.problems)
        try:
            size = sum(path.stat().st_size for path in (dataset.seed, *dataset.overlays))
            digest, there = _restored(dataset, state)
        except (OSError, InfrastructureError) as error:
            return cls(name, entry.job, directory, (str(error),))
        return cls(
            name,
            entry.job,
            directory,
            (),
            dataset.project,
            dataset.type,
            dataset.database,
            dataset.user,
            dataset.seed.name,
            tuple(path.name for path in dataset.overlays),
            dataset.version,
            dataset.start,
            size,
            {"seconds" if counter == WALL else counter: numbers for counter, numbers in dataset.limits.items()},
            tuple(_said(release) for release in entry.releases),
            tuple(f"{fixup.at}: {fixup.words}" for fixup in _fixups(entry, dataset)),
            dataset.tool or "",
            digest,
            there,
        )

    def lines(self) -> Iterator[str]:
        """Everything, for people."""
        yield f"dataset: {self.name}"
        yield f"directory: {self.directory}"
        yield f"job: {self.job}"
        for problem in self.problems:
            yield f"broken: {problem}"
        if self.problems:
            return
        seed = ", ".join((self.seed, *self.overlays))
        account = f", account {self.user}" if self.user else ""
        yield f"project: {self.project}"
        yield f"database: {self.database} ({self.type}){account}"
        yield f"seed: {seed} ({format_size(self.size)})"
        yield f"version: {self.version or 'not said'}"
        yield f"start: {', '.join(self.start) or 'not said'}"
        yield f"tool: {self.tool or 'as the job says, or as the checkout looks'}"
        for counter, numbers in self.limits.items():
            yield f"limit of {counter}: {', '.join(f'{step} {number:,g}' for step, number in numbers.items())}"
        yield f"releases: {', '.join(self.releases) or 'none'}"
        for fixup in self.fixups:
            yield f"fix-up at {fixup}"
        if self.fingerprint:
            yield f"fingerprint: {self.fingerprint}"


def _said(release: Release) -> str:
    until = f" until {', '.join(release.targets)}" if release.targets else ""
    return f"{release.name}{until}"


def _fixups(entry: Entry, dataset: Dataset) -> tuple[Fixup, ...]:
    return (*(fixup for release in entry.releases for fixup in release.fixups), *fixups(entry.options, dataset))


def _restored(dataset: Dataset, state: Path) -> tuple[str, bool]:
    """The fingerprint, where it is worth reading, and whether a snapshot has it."""
    records = [shelf.read(place) for place in shelf.places(state)]
    keys = [record.key for record in records if record is not None]
    parts = [key.parts for key in keys if key.kind == "dataset" and key.dataset == dataset.name]
    if not parts:
        return "", False
    digest = fingerprint(dataset, state)
    return digest, any(part.get("fingerprint") == digest for part in parts)
