"""Where snapshots stand, and what is written beside their data.

Names below ``snapshots/``: ``DIGEST`` is a whole one, ``making-DIGEST-…`` one that is being made, ``gone-…`` one that
is being removed, ``locks/DIGEST`` the lock of who makes it. A whole one appears, and goes, by one rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from thplugins_dbmigration.snapshots import listing
from thplugins_dbmigration.snapshots.key import Key
from thplugins_dbmigration.snapshots.listing import Listing
from thplugins_dbmigration.snapshots.lock import Hold, alone_if_free, unheld

MARKER = "snapshot.json"
LISTING = "listing.json"
DATA = "data"
DAMAGED = "snapshot-damaged"
"""Code of the error that a snapshot is no longer what it was: who asks for it again has it made again."""
_MAKING, _GONE, _LOCKS = "making-", "gone-", "locks"


@frozen
class Snapshot:
    """A frozen data directory at ``data``, which must not be changed: clone it. ``notes`` are what its maker said.

    ``hold`` keeps it from being removed for as long as this value lives. ``remade_for`` is what was wrong with the one
    that it was made in the place of just now, empty where there was none.
    """

    key: Key
    data: Path
    notes: Mapping[str, Any] = field(factory=dict)
    hold: Hold | None = field(default=None, eq=False, repr=False)
    remade_for: str = field(default="", eq=False)


@frozen
class Record:
    """What ``snapshot.json`` says. ``size`` is in bytes; ``made`` in seconds since 1970; ``listing`` is the SHA-256 of
    ``listing.json``."""

    key: Key
    notes: Mapping[str, Any]
    size: int
    made: float
    listing: str


def root(state: Path) -> Path:
    """The directory of all snapshots, below the plugin's state. Made when it is missing."""
    path = state / "snapshots"
    passable(path)
    return path


def lock_of(place: Path) -> Path:
    """The lock of who makes or removes the snapshot ``place``."""
    directory = place.parent / _LOCKS
    directory.mkdir(exist_ok=True)
    return directory / place.name


def places(state: Path) -> tuple[Path, ...]:
    """All snapshots that are there, whole or damaged, by name."""
    found = (state / "snapshots").glob("*/")
    return tuple(sorted(path for path in found if not path.name.startswith((_MAKING, _GONE)) and path.name != _LOCKS))


def begin(place: Path) -> Path:
    """An empty directory in which the snapshot ``place`` is to be made."""
    path = place.with_name(f"{_MAKING}{place.name}-{secrets.token_hex(4)}")
    passable(path)
    return path


def finish(making: Path, place: Path, record: Record, entries: Listing) -> None:
    """Put a snapshot that is ready in its place. Everything is on the disk before it is seen there."""
    text = json.dumps(listing.plain(entries))
    _write(making / LISTING, text)
    marker = {
        "kind": record.key.kind,
        "dataset": record.key.dataset,
        "parts": dict(record.key.parts),
        "notes": dict(record.notes),
        "size": record.size,
        "made": record.made,
        "listing": hashlib.sha256(text.encode()).hexdigest(),
    }
    _write(making / MARKER, json.dumps(marker, indent=2) + "\n")
    listing.sync(making)
    making.rename(place)
    listing.sync(place.parent)


def read(place: Path) -> Record | None:
    """What a snapshot says of itself. None: it is damaged, or not there."""
    try:
        written = json.loads((place / MARKER).read_bytes())
        key = Key(written["kind"], written["dataset"], written["parts"])
        return Record(key, written["notes"], int(written["size"]), float(written["made"]), written["listing"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def contents(place: Path, record: Record) -> Listing | None:
    """What must be in its data. None: that is damaged itself."""
    try:
        text = (place / LISTING).read_bytes()
        if hashlib.sha256(text).hexdigest() == record.listing:
            return listing.parsed(json.loads(text))
    except (OSError, ValueError, TypeError):
        pass
    return None


def touch(place: Path) -> None:
    """Say that it is wanted now."""
    with contextlib.suppress(OSError):
        os.utime(place / MARKER)


def last_used(place: Path) -> float:
    """When it was last wanted, in seconds since 1970; 0 when it is damaged."""
    try:
        return (place / MARKER).stat().st_mtime
    except OSError:
        return 0.0


def discard(place: Path) -> None:
    """Take a snapshot away, whole or not, at once for all who look. Raises nothing: what stays is removed later."""
    gone = place.with_name(f"{_GONE}{secrets.token_hex(8)}")
    try:
        place.rename(gone)
    except OSError:
        return
    remove(gone)


def in_use(place: Path) -> bool:
    """Whether somebody makes, clones or wants it at this moment."""
    with alone_if_free(lock_of(place)) as free:
        if not free:  # who has the lock may be about to hold it, and must not find that we do
            return True
        with unheld(place) as idle:
            return not idle


def take_away(place: Path) -> bool:
    """Remove a snapshot that nobody makes, clones or wants. Answers whether it could be; never waits."""
    with alone_if_free(lock_of(place)) as free:
        if not free:
            return False
        with unheld(place) as idle:
            if idle:
                discard(place)
        return not place.exists()


def remove_half_made(state: Path) -> None:
    """Remove what killed builds have left: snapshots half made and half removed, damaged ones that nobody wants, locks.

    ``state`` is the plugin's. Idempotent; never waits.
    """
    for path in (state / "snapshots").glob(f"{_MAKING}*/"):
        place = path.with_name(path.name.removeprefix(_MAKING).rpartition("-")[0])
        with alone_if_free(lock_of(place)) as free:
            if free:
                discard(path)
    for path in (state / "snapshots").glob(f"{_GONE}*/"):
        remove(path)
    for place in places(state):
        if read(place) is None:
            take_away(place)
    for lock in (state / "snapshots" / _LOCKS).glob("*"):
        with alone_if_free(lock):
            pass


def remove(path: Path) -> None:
    """Remove a directory that may be read-only, as far as it goes."""
    for directory in _directories(path):
        with contextlib.suppress(OSError):
            directory.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


def passable(path: Path) -> None:
    """Make a directory that a server's account can pass through, whatever the umask is."""
    for missing in [part for part in (path, *path.parents) if not part.exists()][::-1]:
        with contextlib.suppress(FileExistsError):
            missing.mkdir()
            missing.chmod(0o755)


def _directories(path: Path) -> Iterator[Path]:
    yield path
    try:
        entries = [Path(entry.path) for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for entry in entries:
        yield from _directories(entry)


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
