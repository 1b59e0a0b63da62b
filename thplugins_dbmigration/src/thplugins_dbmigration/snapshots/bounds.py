"""How much room snapshots may take, and for how long. The least recently used go first."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from thcore.hooks import Build
from thcore.model.quantity import format_size
from thplugins_dbmigration.snapshots import shelf
from thplugins_dbmigration.snapshots.lock import alone_if_free

SHARE = 4
"""Snapshots may take a quarter of the file system that they are on, unless a setting says otherwise."""
AGE_S = 30 * 86400.0


def keep(build: Build) -> None:
    """Remove snapshots that were not wanted for longer than the setting ``snapshot_age``, and the least recently used
    ones for as long as all together are larger than ``snapshot_size``. None that a build holds. Never waits."""
    settings = build.settings
    size = getattr(settings, "snapshot_size", None)
    age_s = getattr(settings, "snapshot_age", AGE_S)
    for told in trim(build.state, size, age_s):
        build.log(told)


def trim(state: Path, size: int | None, age_s: float) -> list[str]:
    """The same for a plugin's state directory; answers what was removed, in words."""
    root = shelf.root(state)
    told: list[str] = []
    with alone_if_free(shelf.lock_of(root / "trim")) as free:
        if not free:  # whoever has it does the same
            return told
        limit = shutil.disk_usage(root).total // SHARE if size is None else size
        found = sorted((shelf.last_used(place), place) for place in shelf.places(state))
        records = {place: shelf.read(place) for _, place in found}
        total = sum(record.size for record in records.values() if record)
        for used, place in found:
            record = records[place]
            old = time.time() - used > age_s
            if record is None or not (old or total > limit) or not shelf.take_away(place):
                continue
            total -= record.size
            why = "it was not wanted for long" if old else f"all are larger than {format_size(limit)}"
            told.append(f"{record.key}: removed the snapshot ({format_size(record.size)}), because {why}")
    return told
