"""Walking a dataset forward to a release, and making where it arrives its new start."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import evolve, frozen

from thcore.errors import InfrastructureError
from thcore.model import Progress
from thplugins_dbmigration import snapshots
from thplugins_dbmigration.curation.catalogue import Entry
from thplugins_dbmigration.curation.contents import contents
from thplugins_dbmigration.curation.draft import draft, occupied, scratch, unwritable, write
from thplugins_dbmigration.curation.dump import dump
from thplugins_dbmigration.curation.source import Source
from thplugins_dbmigration.datasets import CONFIG, Dataset
from thplugins_dbmigration.snapshots.listing import sync
from thplugins_dbmigration.walk.course import named
from thplugins_dbmigration.walk.ground import Site
from thplugins_dbmigration.walk.manner import Manner
from thplugins_dbmigration.walk.release import Fixup
from thplugins_dbmigration.walk.route import fixups, route
from thplugins_dbmigration.walk.states import States


@frozen
class Advanced:
    """What was made: the directory of the dataset, its seed, where it starts now, and the releases that are left to
    climb through. ``start`` is empty where the version is kept by another tool from here on. ``kept`` is the
    config.json of before."""

    directory: Path
    seed: str
    start: tuple[str, ...]
    releases: tuple[str, ...]
    kept: Path | None = None


def advance(site: Site, entry: Entry, release: str, *, label: str | None = None, name: str | None = None) -> Advanced:
    """Walk the dataset to ``release``, which must be one of ``entry.releases``, dump what is there, restore the dump,
    compare, and only then put it in place: as a new dataset ``name`` beside the old one, or in place of it.

    ``label`` is its new version. Raises InfrastructureError; nothing has changed then.
    """
    number = [each.name for each in entry.releases].index(release) + 1
    rest = entry.releases[number:]
    target = entry.directory if name is None else entry.directory.with_name(name)
    if name is not None and os.path.lexists(target):
        raise occupied(target)
    state = States.of(site, route(entry.options, site.dataset, None)).at(number)
    start = named(state.trail.versions) if _same_tool(entry, number) else ()
    changes = {
        "start": list(start) or None,
        "overlays": None,
        "version": label or "+".join(part for part in (site.dataset.version, release) if part),
        "releases": _left(entry, number),
    }
    with draft(target) if name is not None else scratch(target) as place:
        seed = _dumped(site, state.snapshot, place / _free(entry.directory, f"seed-{_slug(release)}"))
        _bring(
            site.dataset,
            [*(fixup for each in rest for fixup in each.fixups), *fixups(entry.options, site.dataset)],
            place,
        )
        made = write(place, _config(entry.directory, {"seed_data": seed.name, **changes}), target.name)
        _compare(site, entry, state.snapshot, made)
        kept = _replace(entry.directory, seed, _slug(release)) if name is None else None
    return Advanced(target, seed.name, start, tuple(each.name for each in rest), kept)


def _same_tool(entry: Entry, number: int) -> bool:
    """Whether what comes next reads the version where this release has written it."""
    this, *after = (Manner.at(entry.options, entry.readable, release) for release in entry.releases[number - 1 :])
    following = after[0] if after else Manner.at(entry.options, entry.readable)
    return this.tool == following.tool


def _dumped(site: Site, snapshot: snapshots.Snapshot, stem: Path) -> Path:
    with site.ground(snapshot, site.place / "data") as ground:
        made = dump(site.build, Source.of(ground.address), stem, site.dataset.name, site.installation)
    shutil.rmtree(site.place, ignore_errors=True)
    return made.path


def _bring(dataset: Dataset, fixups: Iterable[Fixup], place: Path) -> None:
    """The files that config.json names beside the seed."""
    wanted = [dataset.file(fixup.sql) for fixup in fixups if fixup.sql is not None]
    for path in (*wanted, *([dataset.logging_conf] if dataset.logging_conf else [])):
        copy = place / path.relative_to(dataset.directory.resolve())
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _left(entry: Entry, number: int) -> list[Any]:
    """The releases that are left, as config.json has them. The job's become the dataset's own: the job goes on to
    declare those that it has passed."""
    own = json.loads((entry.directory / CONFIG).read_text("utf-8")).get("releases")
    return [_written(each) for each in entry.releases[number:]] if own is None else list(own[number:])


def _config(directory: Path, changes: Mapping[str, Any]) -> dict[str, Any]:
    written = json.loads((directory / CONFIG).read_text("utf-8"))
    return {key: value for key, value in {**written, **changes}.items() if value is not None}


def _compare(site: Site, entry: Entry, before: snapshots.Snapshot, made: Dataset) -> None:
    """Restore what was made, which leaves its snapshot for builds, and make sure that nothing was lost on the way."""
    build = site.build
    after = snapshots.restored(build, site.engine, site.installation, made)
    build.emit(Progress(f"{made.name}: comparing it with what was walked"))
    found = []
    for snapshot, dataset in ((before, site.dataset), (after, made)):
        with evolve(site, dataset=dataset).ground(snapshot, site.place / "data") as ground:
            found.append(contents(ground, entry.options, dataset.tool_options))
        shutil.rmtree(site.place, ignore_errors=True)
    walked, restored = found
    if (walked.rows, walked.versions) != (restored.rows, restored.versions):
        other = sorted(set(walked.rows.items()) ^ set(restored.rows.items()))
        raise InfrastructureError(
            f"the dump does not restore to what was walked: {', '.join(f'{table} ({rows})' for table, rows in other)}",
            code="dump-failed",
        )


def _replace(directory: Path, seed: Path, slug: str) -> Path:
    """Put a seed, and the config.json beside it, in the place of the old ones. What builds see changes with one rename;
    the old seed stays, and so does the old config.json, under another name."""
    config, placed = seed.with_name(CONFIG), directory / seed.name
    kept = directory / f"{_free(directory, f'before-{slug}')}.json"
    try:
        for path in (seed, config):
            path.chmod((directory / CONFIG).stat().st_mode & 0o666)
            sync(path)
        shutil.copyfile(directory / CONFIG, kept)
        seed.rename(placed)
        config.replace(directory / CONFIG)
        sync(directory)
    except OSError as error:
        raise unwritable(directory, error) from error
    return kept


def _free(directory: Path, stem: str) -> str:
    """A name without its suffix that no file has."""
    taken = {path.name.partition(".")[0] for path in directory.iterdir()}
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([stem], numbered) if name not in taken)


def _slug(release: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", release)


def _written(value: Any) -> Any:
    """A release as config.json has it: without what is left out."""
    if attrs.has(type(value)):
        pairs = ((field.name, _written(getattr(value, field.name))) for field in attrs.fields(type(value)))
        return {name: written for name, written in pairs if written not in (None, [], {})}
    if isinstance(value, Mapping):
        return {str(name): _written(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_written(each) for each in value]
    return value
