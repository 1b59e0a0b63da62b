"""What is seen of the machine while a step runs, in case that it fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

from attrs import frozen

from thcore.hooks import Workspace
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.faults import Evidence
from thplugins_dbmigration.measure.room import RoomWatch, refused


@frozen
class Lookout:
    """Over what a server and the project's programs write. ``closely`` it looks for itself until it is left; else when
    it is asked."""

    storage: Storage
    workspace: Workspace
    _room: RoomWatch
    _log_before: int

    @classmethod
    def start(cls, storage: Storage, workspace: Workspace, *, closely: bool) -> Lookout:
        """Look from now on."""
        system = Path(tempfile.gettempdir())
        places = (storage.data, *storage.temporary, workspace.temporary, workspace.artifacts, system)
        before = storage.log.end() if storage.log is not None else 0
        return cls(storage, workspace, RoomWatch.start(places, closely=closely), before)

    def evidence(self) -> Evidence:
        """What is known now that a step has failed."""
        told = self.storage.log.since(self._log_before) if self.storage.log is not None else {}
        own = dict.fromkeys((self.workspace.temporary, Path(tempfile.gettempdir())))
        return Evidence(told, {**refused(own), **self._room.look()})

    def leave(self) -> None:
        """Nothing of it runs afterwards. Idempotent."""
        self._room.stop()
