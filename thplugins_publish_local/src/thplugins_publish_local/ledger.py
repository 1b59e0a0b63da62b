"""Which builds are below a directory, newest first: a hidden file in each directory on the way to them.

So the listing of a directory with a thousand builds costs reading one file, and the root knows what was published last
anywhere below it. A ledger that is lost or broken begins anew with the builds that lie in the directory itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator

from cattrs.preconf.json import make_converter

from thcore.model import Outcome
from thcore.model.document import from_json
from thcore.pages.identity import RESULT
from thcore.pages.listed import ListedBuild
from thplugins_publish_local import directories, place, tree
from thplugins_publish_local.access import EVERYBODY, Access

FILE = ".builds.json"
KEPT = 200
"""Builds of a directory that are remembered. The others are among the directories of its listing."""
_SEEDED = 100  # builds that a new ledger begins with; each costs reading its result.json
_LARGEST = 4 * 1024 * 1024

_converter = make_converter()


def noted(
    directory: int, path: str = "", outcome: Outcome | None = None, access: Access = EVERYBODY
) -> tuple[ListedBuild, ...]:
    """The builds below the open directory, without those that are gone. The one that was published at ``path`` is
    among them from now on. Whoever calls holds the directory's lock. Raises OSError."""
    known = _read(directory)
    builds = list(_seed(directory) if known is None else known)
    if outcome is not None:
        builds = [ListedBuild.of(outcome, path), *(build for build in builds if build.path != path)]
    builds.sort(key=lambda build: build.started, reverse=True)
    kept = tuple(build for build in builds[:KEPT] if _is_there(directory, build.path))
    if kept != known:
        content = _converter.dumps(kept, tuple[ListedBuild, ...])
        tree.replace_file(directory, FILE, content.encode("utf-8", "replace"), access)
    return kept


def _read(directory: int) -> tuple[ListedBuild, ...] | None:
    try:
        descriptor = os.open(FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            content = json.loads(file.read(_LARGEST))
        return _converter.structure(content, tuple[ListedBuild, ...]) if isinstance(content, list) else None
    except (OSError, ValueError, ExceptionGroup):
        return None


def _seed(directory: int) -> Iterator[ListedBuild]:
    """The newest builds that lie in the directory itself, as their results tell."""
    shown = (name for name in os.listdir(directory) if not name.startswith("."))  # others are being put up
    for name in sorted(shown, key=lambda name: -_changed(directory, name))[:_SEEDED]:
        with contextlib.suppress(OSError):
            below = directories.open_directory(directory, name)
            try:
                document = place.read_document(below)
            finally:
                os.close(below)
            if document is not None:
                with contextlib.suppress(ValueError):
                    yield ListedBuild.of(from_json(document.decode("utf-8", "replace")), name)


def _changed(directory: int, name: str) -> float:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime
    except OSError:
        return 0.0


def _is_there(directory: int, path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(f"{path}/{RESULT}", dir_fd=directory, follow_symlinks=False).st_mode)
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False
