"""Finding snapshots, and making them: once, however many builds want one at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Progress
from thplugins_dbmigration.snapshots import bounds, listing, shelf
from thplugins_dbmigration.snapshots.key import Key
from thplugins_dbmigration.snapshots.lock import Hold, alone
from thplugins_dbmigration.snapshots.shelf import Record, Snapshot

Make = Callable[[Path], Mapping[str, Any]]


def find(build: Build, key: Key) -> Snapshot | None:
    """The snapshot, if it is there and whole; it counts as used then. The build log says when it is damaged."""
    place = build.state / "snapshots" / key.digest
    found = _look(place)
    if isinstance(found, str):
        build.log(f"{key}: the snapshot is damaged: {found}")
        return None
    return found


def frozen(build: Build, key: Key, what: str, make: Make) -> Snapshot:
    """The snapshot, which is made when it is missing or damaged.

    ``make`` is given a path that does not exist and leaves a data directory there that no server runs on; it answers
    notes (JSON) for whoever finds the snapshot. Others who want the same one wait until it is there; when who makes it
    dies, the next one does. ``what`` names it for people. Whatever ``make`` raises passes, and nothing half-made stays;
    raises InfrastructureError (``snapshot-not-made``) when the snapshot cannot be kept.
    """
    try:
        place = shelf.root(build.state) / key.digest
        snapshot = find(build, key)
        bounds.keep(build)  # only now: what was found is held, and may be all that there is room for
        if snapshot is None:
            with alone(shelf.lock_of(place), _waiting(build, what)):
                found = _look(place)
                snapshot = found if isinstance(found, Snapshot) else _made(build, key, place, what, make, found or "")
            bounds.keep(build)
    except OSError as error:
        raise InfrastructureError(
            f"{what}: cannot keep the snapshot {error.filename or build.state}: {error.strerror or error}",
            code="snapshot-not-made",
        ) from error
    return snapshot


def drop(snapshot: Snapshot) -> None:
    """Take away one that turns out to be of no use: it is made again for the next who wants it."""
    shelf.discard(snapshot.data.parent)


def damage(place: Path) -> str | None:
    """Read all of a snapshot: in what it is not what it was, or None. It is held for as long as that takes."""
    found = _look(place, everything=True)
    return found if isinstance(found, str) else None


def _look(place: Path, *, everything: bool = False) -> Snapshot | str | None:
    """A whole snapshot, what is wrong with it, or None: it is not there."""
    hold = Hold.of(place)
    if hold is None:
        return None
    record = shelf.read(place)
    entries = shelf.contents(place, record) if record else None
    if record is None or entries is None:
        return "what it says of itself cannot be read"
    problem = listing.difference(place / shelf.DATA, entries, check=_go_on if everything else None)
    if problem:
        return problem
    if not everything:
        shelf.touch(place)
    return Snapshot(record.key, place / shelf.DATA, record.notes, hold)


def _made(build: Build, key: Key, place: Path, what: str, make: Make, damage: str) -> Snapshot:
    if place.exists():
        shelf.discard(place)
        build.log(f"{what}: the snapshot is damaged; making it again")
    else:
        build.log(f"{what}: no snapshot yet, making one")
    making = shelf.begin(place)
    try:
        notes = make(making / shelf.DATA)
        entries = listing.freeze(making / shelf.DATA, build.check)
        record = Record(key, notes, listing.size_of(entries), time.time(), "")
        hold = Hold.of(making)
        shelf.finish(making, place, record, entries)
    except BaseException:
        shelf.discard(making)
        raise
    return Snapshot(key, place / shelf.DATA, notes, hold, damage)


def _go_on() -> None:
    """Nobody tells a command to end but by a signal."""


def _waiting(build: Build, what: str) -> Callable[[], None]:
    """Says once that somebody else is making it, and looks whether the build was told to end."""
    told: list[bool] = []

    def wait() -> None:
        build.check()
        if not told:
            build.emit(Progress(f"{what}: waiting for another build that is making it"))
            told.append(True)

    return wait
