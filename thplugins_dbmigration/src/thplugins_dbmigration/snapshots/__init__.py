"""Snapshots: states of a database that are made once, frozen, and cloned for each build.

Below the plugin's state directory, a snapshot is ``snapshots/DIGEST/`` with

* ``data/``, the data directory of a server that was stopped cleanly, read-only: nothing is ever run on it;
* ``listing.json``, what is in there;
* ``snapshot.json``, what it is, written last: a directory without it is no snapshot.
"""

from __future__ import annotations

from thplugins_dbmigration.snapshots.cloning import clone
from thplugins_dbmigration.snapshots.key import Key
from thplugins_dbmigration.snapshots.restore import created, dataset_key, restored
from thplugins_dbmigration.snapshots.shelf import DAMAGED, Snapshot, remove_half_made
from thplugins_dbmigration.snapshots.store import drop, find, frozen
from thplugins_dbmigration.snapshots.ways import clone_way

__all__ = [
    "DAMAGED",
    "Key",
    "Snapshot",
    "clone",
    "clone_way",
    "created",
    "dataset_key",
    "drop",
    "find",
    "frozen",
    "remove_half_made",
    "restored",
]
