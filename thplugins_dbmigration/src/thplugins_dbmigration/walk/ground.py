"""What a leg stands on: a private server with a clone of a state."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve, field, frozen

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import DatasetRun, Finding, Provision
from thplugins_dbmigration import messages, snapshots
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.engines.engine import Engine, Installation, Server
from thplugins_dbmigration.snapshots import Key, Snapshot, clone_way
from thplugins_dbmigration.snapshots.ways import file_system
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk.halt import Halt
from thplugins_dbmigration.walk.manner import digest_of
from thplugins_dbmigration.walk.route import Waypoint


@frozen
class Ground:
    """A server that runs on a clone, and the address of the dataset's database on it."""

    server: Server
    address: Address


@frozen
class Site:
    """Where the servers of one dataset are run in one build. ``place`` is the dataset's
    directory for what is not published; the servers write to ``logs``, which is, unless they may not be read."""

    build: Build
    turns: Turns
    dataset: Dataset
    engine: Engine
    installation: Installation
    logs: Path
    place: Path
    remade: list[Finding] = field(factory=list, eq=False)
    """What there is to tell of snapshots that were damaged and are made again. It grows."""

    def record(self, **values: Any) -> DatasetRun:
        """What is known of the dataset before anything is run on it, with ``values`` of what was."""
        build, dataset = self.build, self.dataset
        run = DatasetRun(
            name=dataset.name,
            engine=self.engine.name,
            engine_version=self.installation.version,
            fingerprint=fingerprint(dataset, build.state),
            tool=dataset.tool or "",
            version=dataset.version,
            conditions={
                "clone": clone_way(build),
                "file_system": file_system(build.workspace.temporary),
                "processors": str(len(os.sched_getaffinity(0))),
                "settings": digest_of(*self.engine.settings(self.installation))[:12],
            },
        )
        return evolve(run, **values)

    def provision(self, waypoint: Waypoint) -> Provision:
        """The checkout and the environment of a waypoint. Raises as ``Build.provision`` does."""
        with self.turns.beside():  # wheels are built and modules compiled
            return self.build.provision(waypoint.revision, options=waypoint.provisioning)

    def restored(self) -> Snapshot:
        """The dataset as its seed is. Raises Halt when it cannot be had."""
        try:
            snapshot = snapshots.restored(
                self.build, self.engine, self.installation, self.dataset, turn=self.turns.beside
            )
        except InfrastructureError as error:
            raise Halt(messages.seed_not_set_up(error, self.dataset.name)) from error
        return self._noted(snapshot, "the dataset as it was restored")

    def frozen(self, key: Key, what: str, make: Callable[[Path], Mapping[str, Any]]) -> Snapshot:
        """What ``snapshots.frozen`` answers, and raises; ``what`` names it beside the dataset."""
        return self._noted(snapshots.frozen(self.build, key, f"{self.dataset.name}, {what}", make), what)

    def _noted(self, snapshot: Snapshot, what: str) -> Snapshot:
        if snapshot.remade_for:
            self.remade.append(messages.snapshot_remade(what, snapshot.remade_for, self.dataset.name))
        return snapshot

    @contextmanager
    def ground(self, snapshot: Snapshot, data: Path, *, kept: bool = True) -> Iterator[Ground]:
        """Clone a state to the directory ``data`` and run a server on it; what it leaves there is ``kept`` or not.
        Raises Halt when that cannot be had, and InfrastructureError when the state is damaged (``snapshot-damaged``: it
        can be made again), or when the server broke while it was used."""
        with self._standing(lambda: snapshots.clone(self.build, snapshot, data), data, kept=kept) as ground:
            yield ground

    @contextmanager
    def again(self, data: Path) -> Iterator[Ground]:
        """Run a server on what another one has left in the directory ``data``, for the last time. Raises as ``ground``
        does."""
        with self._standing(lambda: None, data, kept=False) as ground:
            yield ground

    @contextmanager
    def _standing(self, prepare: Callable[[], None], data: Path, *, kept: bool) -> Iterator[Ground]:
        with ExitStack() as stack:
            try:
                with self.turns.beside():
                    prepare()
                    server = stack.enter_context(
                        self.engine.start(self.build, self.installation, data, log=self.logs / "server.log", kept=kept)
                    )
            except InfrastructureError as error:
                if error.code == snapshots.DAMAGED:
                    raise
                raise Halt(messages.seed_not_set_up(error, self.dataset.name)) from error
            dataset = self.dataset
            yield Ground(server, server.address(dataset.database, dataset.user, dataset.password.reveal()))
            with self.turns.beside():  # a server that stops writes all that is in its memory
                stack.close()

    def freeze(self, data: Path) -> None:
        """Make a directory whose server was stopped fit for a snapshot."""
        with self.turns.beside():
            self.engine.freeze(self.build, self.installation, data)
