"""Restoring a dataset: a server of its own, the seed and its overlays, statistics; then frozen."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from attrs import evolve

from thcore.hooks import Build
from thcore.model import Progress
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.engines.engine import Engine, Installation, Server, loading_memory_of
from thplugins_dbmigration.seeds import open_seed
from thplugins_dbmigration.snapshots.key import Key
from thplugins_dbmigration.snapshots.shelf import Snapshot
from thplugins_dbmigration.snapshots.store import frozen


def restored(
    build: Build,
    engine: Engine,
    installation: Installation,
    dataset: Dataset,
    *,
    turn: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Snapshot:
    """The snapshot of a dataset as its seed and overlays are, made when it is not there yet; inside of ``turn`` then.

    Raises InfrastructureError with the code of what went wrong (``seed-broken``, ``seed-not-loaded``,
    ``server-not-started``, ``snapshot-not-made``).
    """

    def make(data: Path) -> dict[str, str]:
        with turn():
            restore(build, engine, installation, dataset, data)
        return {"version": dataset.version} if dataset.version else {}

    return frozen(build, dataset_key(build, engine, installation, dataset), f"dataset {dataset.name}", make)


def dataset_key(build: Build, engine: Engine, installation: Installation, dataset: Dataset) -> Key:
    """What a restored dataset depends on. Raises InfrastructureError (``seed-broken``) when it cannot be read."""
    parts = {
        "project": dataset.project,
        "fingerprint": fingerprint(dataset, build.state),
        "engine": engine.name,
        "engine_version": installation.version,
        "settings": " ".join(engine.settings(installation)),
        "account": (installation.account or "") + (" in a namespace" if installation.namespace else ""),
    }
    return Key("dataset", dataset.name, parts)


def restore(build: Build, engine: Engine, installation: Installation, dataset: Dataset, data: Path) -> None:
    """Restore a dataset to the data directory ``data``, which must not exist. Raises as ``restored`` does."""
    total = 3 + len(dataset.overlays)

    def tell(done: int, message: str) -> None:
        build.emit(Progress(f"{dataset.name}: {message}", done, total))

    # A server quotes what it cannot store.
    place = build.workspace.temporary if dataset.confidential else build.workspace.artifacts
    log = place / "datasets" / dataset.name / "restore.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    tell(0, f"making a {engine.name} server")
    engine.initialise(build, installation, data)
    loading = evolve(installation, memory=loading_memory_of(build))
    with engine.start(build, loading, data, log=log) as server:
        address = created(server, dataset)
        for done, path in enumerate((dataset.seed, *dataset.overlays), 1):
            tell(done, f"loading {path.name}")
            with open_seed(build, path) as plain:
                server.load(build, address, plain)
        tell(total - 1, "gathering statistics")
        server.settle(address)
    engine.freeze(build, installation, data)
    tell(total, "restored")


def created(server: Server, dataset: Dataset) -> Address:
    """Make the database and the account of a dataset on a server that has neither. Raises InfrastructureError."""
    return server.create(
        dataset.database,
        dataset.user,
        dataset.password.reveal(),
        character_set=dataset.character_set,
        extensions=dataset.extensions,
    )
