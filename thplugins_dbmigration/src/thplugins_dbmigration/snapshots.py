"""Snapshots: a dataset is restored once, frozen, and cloned for each build."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Progress
from thplugins_dbmigration.datasets import Dataset, fingerprint
from thplugins_dbmigration.engines.engine import Engine, Installation
from thplugins_dbmigration.engines.private import pause
from thplugins_dbmigration.seeds import open_seed

LAYOUT = 1
"""Counted up whenever snapshots are made in another way, so that older ones are not used."""
OK = "OK"
"""The marker file of a finished snapshot, written last."""


def prepared(build: Build, engine: Engine, installation: Installation, dataset: Dataset) -> Path:
    """The frozen data directory of a dataset, which must not be changed: clone it.

    Made when it is not there yet, exactly once, however many builds want it at the same time. Raises
    InfrastructureError with the code of what went wrong (``seed-broken``, ``seed-not-loaded``, ``server-not-started``).
    """
    parts = (engine.name, installation.version, installation.account, installation.namespace)
    key = _key(fingerprint(dataset, build.state), *parts)

    def restore(data: Path) -> None:
        _restore(build, engine, installation, dataset, data)

    return frozen(build, key, f"dataset {dataset.name}", restore)


def frozen(build: Build, key: str, what: str, make: Callable[[Path], None]) -> Path:
    """The frozen data directory ``key`` below the plugin's state; ``make`` is called with its path when it is missing.

    ``make`` must leave a directory that no server runs on. Others who want the same one wait until it is there; a half
    made one is removed and made again.
    """
    place = build.state / "snapshots" / key
    data, marker = place / "data", place / OK
    _passable(build.state / "snapshots")
    with _alone(build, place.with_name(key + ".lock"), what):
        if not marker.is_file():
            shutil.rmtree(place, ignore_errors=True)
            _passable(place)
            build.log(f"{what}: no snapshot yet, making one")
            make(data)
            marker.write_text(what + "\n", "utf-8")
        os.utime(marker)  # the time it was last wanted
    return data


def remove_half_made(state: Path) -> None:
    """Remove the snapshots that a killed build left half made, below the plugin's state. Idempotent; never waits."""
    for place in (state / "snapshots").glob("*/"):
        if not (place / OK).is_file():
            with place.with_name(place.name + ".lock").open("wb") as stream, contextlib.suppress(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (place / OK).is_file():
                    shutil.rmtree(place, ignore_errors=True)


def clone(build: Build, snapshot: Path, target: Path) -> None:
    """Copy a frozen data directory to ``target``, which must not exist; shared blocks where the file system can.

    Raises InfrastructureError (``snapshot-not-cloned``).
    """
    _passable(target.parent)
    command = Command(
        ("cp", "-a", "--reflink=auto", "--no-target-directory", str(snapshot), str(target)), source="snapshot"
    )
    result = build.run(command)
    if not result.ok:
        raise InfrastructureError(
            f"cannot clone {snapshot}: {result.reason()}; {' '.join(result.tail)[-300:]}", code="snapshot-not-cloned"
        )


def snapshot_key(*parts: object) -> str:
    """A name for ``frozen`` that changes when any part does."""
    return _key(*parts)


def _restore(build: Build, engine: Engine, installation: Installation, dataset: Dataset, data: Path) -> None:
    total = 3 + len(dataset.overlays)

    def tell(done: int, message: str) -> None:
        build.emit(Progress(f"{dataset.name}: {message}", done, total))

    log = build.workspace.artifacts / "datasets" / dataset.name / "restore.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    tell(0, f"making a {engine.name} server")
    engine.initialise(build, installation, data)
    with engine.start(build, installation, data, log=log) as server:
        address = server.create(
            dataset.database,
            dataset.user,
            dataset.password.reveal(),
            character_set=dataset.character_set,
            extensions=dataset.extensions,
        )
        for done, path in enumerate((dataset.seed, *dataset.overlays), 1):
            tell(done, f"loading {path.name}")
            with open_seed(build, path) as plain:
                server.load(build, address, plain)
        tell(total - 1, "gathering statistics")
        server.settle(address)
    engine.freeze(build, installation, data)
    tell(total, "restored")


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([LAYOUT, *map(str, parts)]).encode()).hexdigest()[:32]


def _passable(path: Path) -> None:
    """Make a directory that a server's account can pass through, whatever the umask is."""
    for missing in [part for part in (path, *path.parents) if not part.exists()][::-1]:
        with contextlib.suppress(FileExistsError):
            missing.mkdir()
            missing.chmod(0o755)


@contextlib.contextmanager
def _alone(build: Build, lock: Path, what: str) -> Iterator[None]:
    with lock.open("wb") as stream:
        waiting = False
        while True:
            build.check()
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    build.emit(Progress(f"{what}: waiting for another build that is making it"))
                waiting = True
                pause(0.1)
        yield
