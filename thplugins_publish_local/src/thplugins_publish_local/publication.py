"""Publishing one build: its evidence, its pages, and the listings on the way to it."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from attrs import evolve

from thcore.model import Outcome, Publication
from thcore.model.document import to_json
from thplugins_publish_local import excerpt, pages, place, result, tree
from thplugins_publish_local.place import INDEX, RESULT, Place

NAME = "publish_local"
_LISTED = 1000
_IDENTIFIED = 100  # builds of a listing whose verdict is shown; each costs reading its result.json


def publish(artifacts: Path, root: Path, url: str | None, log_path: str, outcome: Outcome) -> Publication:
    """Put a build's evidence below ``root`` and answer where it can be read.

    Raises InfrastructureError (code ``publish-failed``) when it cannot; then nothing is there, or what was there
    before. Code ``publish-superseded``: a later attempt of the build is published.
    """
    try:
        with place.opened(root, log_path) as there:
            publication = Publication(_address(root, url, there), NAME)
            with there.staged(outcome.build, outcome.fence) as staging:
                _fill(staging, artifacts, _told(outcome, publication), there)
            return publication
    except OSError as error:
        raise place.failure(f"cannot publish below {root}: {error.strerror or error}") from error


def relist(root: Path, log_path: str) -> None:
    """Write the listings of the directories above a build, the root's included. Raises OSError.

    A page that is not ours, such as the operator's own front page, is left as it is.
    """
    with place.opened(root, log_path) as there:
        for depth in range(len(there.directories) - 1, -1, -1):
            directory = there.directories[depth]
            # Listed and written under one lock, so that an older listing never replaces a newer one.
            with place.locked(directory):
                if _may_write_index(directory):
                    tree.replace_file(directory, INDEX, _listing(directory, there.names[:depth], builds=True))


def _fill(staging: int, artifacts: Path, outcome: Outcome, there: Place) -> None:
    copied = tree.copy_tree(artifacts, staging)
    document = to_json(outcome).encode("utf-8", "backslashreplace")  # a lone surrogate becomes JSON's own escape
    tree.write_file(staging, RESULT, document)
    files = (*copied.files, tree.PublishedFile(RESULT, len(document)))
    copied = evolve(copied, files=tuple(sorted(files, key=lambda file: ("/" in file.name, file.name))))
    for path, directory in tree.walk(staging):
        if not _exists(directory, INDEX):  # a report's own start page is the better one
            tree.write_file(directory, INDEX, _listing(directory, (*there.names, *path.split("/")), builds=False))
    page = pages.result_page(outcome, copied, _excerpt(staging, outcome))
    tree.write_file(staging, INDEX, page)


def _told(outcome: Outcome, publication: Publication) -> Outcome:
    others = (other for other in outcome.publications if other != publication)
    return evolve(outcome, publications=(*others, publication))


def _excerpt(directory: int, outcome: Outcome) -> excerpt.Excerpt:
    try:
        log = os.open("console.log", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directory)
    except FileNotFoundError:
        return excerpt.Excerpt()
    with os.fdopen(log, "rb") as file:
        return excerpt.take(file, result.by_weight(outcome.findings))


def _address(root: Path, url: str | None, there: Place) -> str:
    path = "/".join(there.names)
    if url is None:
        return f"{root.resolve().as_uri()}/{quote(path)}/{INDEX}"
    return f"{url.rstrip('/')}/{quote(path)}/"


def _listing(directory: int, path: tuple[str, ...], *, builds: bool) -> bytes:
    """``builds``: the directory is above the builds, so that what is in it may hold one."""
    entries = sorted(_entries(directory), key=_order)
    shown = entries[:_LISTED]
    if builds:
        known = [evolve(entry, build=_identity(directory, entry.name)) for entry in shown[:_IDENTIFIED]]
        shown[:_IDENTIFIED] = known
    return pages.listing_page(path, shown, len(entries) - len(shown))


def _entries(directory: int) -> Iterator[pages.Entry]:
    for name in os.listdir(directory):
        if name.startswith(".") or name == INDEX:
            continue
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        modified = datetime.datetime.fromtimestamp(int(status.st_mtime), datetime.UTC)
        if stat.S_ISDIR(status.st_mode):
            yield pages.Entry(name, directory=True, modified=modified)
        elif stat.S_ISREG(status.st_mode):
            yield pages.Entry(name, directory=False, size=status.st_size, modified=modified)


def _identity(directory: int, name: str) -> place.Identity | None:
    try:
        below = place.open_directory(directory, name)
    except OSError:
        return None
    try:
        return place.read_identity(below)
    finally:
        os.close(below)


def _order(entry: pages.Entry) -> tuple[bool, float, str]:
    """Builds and their directories newest first, files by name."""
    newest = -entry.modified.timestamp() if entry.directory and entry.modified else 0.0
    return not entry.directory, newest, entry.name


def _may_write_index(directory: int) -> bool:
    try:
        descriptor = os.open(INDEX, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return f'content="{pages.GENERATOR} '.encode() in file.read(1024)


def _exists(directory: int, name: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=directory, follow_symlinks=False)
        return True
    return False
