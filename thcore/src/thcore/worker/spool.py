"""Evidence that a target did not take, kept on disk until it does.

One directory per attempt below the state directory: ``entry.json``, and ``artifacts`` as they were in the workspace, so
that publishing goes on where it stopped, whoever does it.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import shutil
import stat
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from attrs import evolve, frozen
from cattrs.preconf.json import make_converter

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace
from thcore.model import BuildRequest, Outcome, document
from thcore.monitoring.action import event
from thcore.pipeline import workspace as workspaces
from thcore.pipeline.record import unpublished

log = logging.getLogger(__name__)

_converter = make_converter()
_converter.register_unstructure_hook(Outcome, partial(document.to_json, compact=True))
_converter.register_structure_hook(Outcome, lambda text, _type: document.from_json(text))
_ENTRY = "entry.json"


@frozen
class Spooled:
    """Evidence of one attempt that waits. ``publishers`` have not taken it yet; ``problem`` is what the last one said.
    ``tries`` counts how often it was offered from here. ``lost``: its worker died, and nobody knows whether it was
    answered."""

    request: BuildRequest
    outcome: Outcome
    publishers: tuple[str, ...]
    since: datetime.datetime
    tries: int = 0
    problem: str = ""
    lost: bool = False

    @property
    def name(self) -> str:
        """Name of its directory."""
        return f"{self.request.id}-{self.outcome.attempt}"


class Spool:
    """The directory of all that waits. Written by one worker, in any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._entries: dict[str, Spooled] = {}
        self._listeners: list[Callable[[], None]] = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            found = sorted(path for path in directory.iterdir() if path.is_dir())
        except OSError as error:
            raise InfrastructureError(f"cannot use the spool {directory}: {error.strerror}") from error
        for path in found:
            if not (path / _ENTRY).exists():  # half put in, or half removed
                workspaces.remove(path)
                continue
            entry = _read(path / _ENTRY)
            if entry is not None:
                self._entries[path.name] = entry

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called, in whatever thread, when something new waits."""
        self._listeners.append(listener)

    def workspace(self, entry: Spooled) -> Workspace:
        """The directories that its publishers work in."""
        return Workspace(self._directory / entry.name)

    def put(
        self, request: BuildRequest, outcome: Outcome, publishers: tuple[str, ...], workspace: Workspace
    ) -> Spooled:
        """Take over the evidence of a workspace. It is on the disk when this returns; the workspace has it no more.

        Nobody is offered it before ``release``; should the worker die, the next start releases it. Raises
        InfrastructureError when the disk does not take it; the workspace is as it was then.
        """
        problem = next((found.message for found in outcome.findings if found.plugin in publishers), "")
        since = datetime.datetime.now(datetime.UTC)
        entry = Spooled(request, outcome, publishers, since, problem=problem, lost=True)
        place = self.workspace(entry)
        try:
            shutil.rmtree(place.root, ignore_errors=True)
            place.temporary.mkdir(parents=True)
            # Within one file system this needs no space; so the spool is beside the work directory by default.
            shutil.move(workspace.artifacts, place.artifacts)
            _force(place.artifacts)
            self._write(entry)
            for directory in (place.root, self._directory):
                _force_one(directory)
        except OSError as error:
            with contextlib.suppress(OSError):
                shutil.move(place.artifacts, workspace.artifacts)
            shutil.rmtree(place.root, ignore_errors=True)
            raise InfrastructureError(f"cannot keep evidence in {place.root}: {error.strerror or error}") from error
        return entry

    def release(self, entry: Spooled, *, answered: bool) -> None:
        """Let the evidence be offered. ``answered``: Zuul was given the outcome."""
        released = evolve(entry, lost=not answered)
        self._keep(released)
        for listener in self._listeners:
            listener()

    def update(self, entry: Spooled, outcome: Outcome) -> Spooled | None:
        """Note what became of another try. None: all publishers have it, and the spool has it no more."""
        left = unpublished(outcome)
        if not left:
            self.drop(entry)
            return None
        problem = next((found.message for found in outcome.findings if found.plugin in left), "")
        updated = evolve(entry, outcome=outcome, publishers=left, tries=entry.tries + 1, problem=problem)
        with self._lock:
            if entry.name not in self._entries:
                return None  # it was dropped meanwhile
        self._keep(updated)
        return updated

    def _keep(self, entry: Spooled) -> None:
        with self._lock:
            self._entries[entry.name] = entry
        try:
            self._write(entry)
        except OSError as error:  # the one on the disk is older, and as good
            log.warning("%s was not updated: %s", entry.name, error.strerror, extra=event("result_spooled"))

    def drop(self, entry: Spooled) -> None:
        """Remove an entry: first that it is one, so that no half of it is ever published."""
        with self._lock:
            self._entries.pop(entry.name, None)
        root = self.workspace(entry).root
        with contextlib.suppress(OSError):
            (root / _ENTRY).unlink(missing_ok=True)
        if not workspaces.remove(root):
            log.warning("%s cannot be removed", root, extra=event("cleanup_failed"))

    def entries(self) -> tuple[Spooled, ...]:
        """All that waits, the oldest first."""
        with self._lock:
            return tuple(sorted(self._entries.values(), key=lambda entry: entry.since))

    def size(self) -> int:
        """Bytes of all that waits."""
        total = 0
        for place, _, names in os.walk(self._directory):  # what goes meanwhile is no error to it
            for name in names:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 - as os.walk has it
        return total

    def _write(self, entry: Spooled) -> None:
        path = self.workspace(entry).root / _ENTRY
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(_converter.unstructure(entry), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


def _force(root: Path) -> None:
    """Have all that is below a directory on the disk, which a program of a build may have filled with anything."""
    for place, _, names in os.walk(root):
        for name in (*names, "."):
            _force_one(Path(place) / name)


def _force_one(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return  # a link, a socket, or what cannot be read and so cannot be published either
    try:
        if stat.S_IFMT(os.fstat(descriptor).st_mode) in {stat.S_IFREG, stat.S_IFDIR}:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Spooled | None:
    try:
        entry = _converter.structure(json.loads(path.read_text(encoding="utf-8")), Spooled)
    except (OSError, ValueError, KeyError, TypeError, ExceptionGroup) as error:
        why = type(error).__name__
        log.error("%s cannot be read (%s); the evidence beside it stays", path, why, extra=event("state_unreadable"))
        return None
    return entry if entry.name == path.parent.name else None
