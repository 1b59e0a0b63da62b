"""Whether the worker could do a build now. While it could not, it takes none, and looks again by itself."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from attrs import frozen

from thcore.errors import InfrastructureError
from thcore.model.quantity import format_size
from thcore.monitoring.action import event
from thcore.worker.generation import Generation, in_use
from thcore.worker.supervise import Stores

log = logging.getLogger(__name__)

EVERY_S = 10.0
"""How often a fit worker looks whether it still is."""
FORGET_EVERY_S = 3600.0
"""How often builds that ended long ago are dropped."""
UNFIT_EVERY_S = 3.0
"""How often one that is not looks whether it is again."""


@frozen
class Disk:
    """Room in the file system of a directory, in bytes. ``problem`` says why nothing can be kept there, if so."""

    path: Path
    purpose: str
    free: int = 0
    total: int = 0
    problem: str = ""


def disk(path: Path, purpose: str, free_space: int) -> Disk:
    """Look at a directory: is there room, and does it take a file?"""
    try:
        path.mkdir(parents=True, exist_ok=True)
        usage = shutil.disk_usage(path)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"thcore" * 1000)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return Disk(path, purpose, problem=f"{path} ({purpose}) cannot be written: {error.strerror or error}")
    problem = ""
    if usage.free < free_space:
        problem = (
            f"{path} ({purpose}) has {format_size(usage.free)} left, less than free_space ({format_size(free_space)})"
        )
    return Disk(path, purpose, usage.free, usage.total, problem)


class Fitness:
    """A thread that looks at disks, the spool and the nursery.

    ``on_change`` is told the problems whenever they are others than before, in that thread.
    """

    def __init__(
        self, stores: Stores, generation: Callable[[], Generation], on_change: Callable[[tuple[str, ...]], None]
    ) -> None:
        self._stores = stores
        self._generation = generation
        self._on_change = on_change
        self._disks: tuple[Disk, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._spool_bytes = 0
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="fitness", daemon=True)

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The disks as they were last seen."""
        return self._disks

    @property
    def problems(self) -> tuple[str, ...]:
        """Why no build could be done, as it was last seen."""
        return self._problems

    @property
    def spool_bytes(self) -> int:
        """Size of the spool as it was last seen."""
        return self._spool_bytes

    def start(self) -> None:
        """Look once, here, then again and again."""
        self._look()
        self._thread.start()

    def look(self) -> None:
        """Look now: something went wrong."""
        self._wake.set()

    def close(self) -> None:
        """Look no more."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        forget_at = 0.0
        while not self._closing:
            if time.monotonic() >= forget_at:
                forget_at = time.monotonic() + FORGET_EVERY_S
                self._forget()
            self._wake.wait(UNFIT_EVERY_S if self._problems else EVERY_S)
            self._wake.clear()
            if not self._closing:
                self._look()

    def _forget(self) -> None:
        try:
            self._stores.forget()
        except Exception as error:  # noqa: BLE001 - the disk may be the very problem; there will be another time
            log.warning("old builds are not dropped: %s", error, extra=event("worker_faulty"))

    def _look(self) -> None:
        try:
            problems = tuple(self._found())
        except Exception as error:  # it must look again
            log.exception("looking whether the worker is fit failed", extra=event("worker_faulty"))
            problems = (f"the worker cannot tell whether it is fit: {error}",)
        before, self._problems = self._problems, problems
        if _kinds(problems) != _kinds(before):
            try:
                self._on_change(problems)
            except Exception:
                log.exception("telling that the worker is fit or not failed", extra=event("worker_faulty"))

    def _found(self) -> Iterable[str]:
        with in_use(self._generation) as generation:
            yield from self._found_in(generation)

    def _found_in(self, generation: Generation) -> Iterable[str]:
        config = generation.config
        places = {config.directories.state: "state", self._stores.work: "work"}
        self._disks = tuple(disk(path, purpose, config.free_space) for path, purpose in places.items())
        yield from (seen.problem for seen in self._disks if seen.problem)
        self._spool_bytes = waiting = self._stores.spool.size()
        if waiting > config.spool_size:
            yield (
                f"the spool holds {format_size(waiting)} of evidence that nobody takes, more than spool_size"
                f" ({format_size(config.spool_size)})"
            )
        try:
            generation.nursery.check()
        except InfrastructureError as error:
            yield str(error)


def _kinds(problems: tuple[str, ...]) -> tuple[str, ...]:
    """The problems without their figures: a disk that has a little less room than before is no news."""
    return tuple(re.sub(r"\d[\d.]*", "", problem) for problem in problems)
