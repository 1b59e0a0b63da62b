"""Publishing one build: its evidence, its pages, and the listings on the way to it."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from attrs import evolve

from thcore.model import Outcome, Publication
from thcore.pages import html, site
from thcore.pages.html import INDEX, Entry
from thcore.pages.identity import Identity
from thplugins_publish_local import place, tree
from thplugins_publish_local.place import Place

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
            with (
                there.staged(outcome.build, outcome.fence) as staging,
                site.assembled(artifacts, _told(outcome, publication)) as assembled,
            ):
                tree.put_up(assembled, staging)
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
                    tree.replace_file(directory, INDEX, _listing(directory, there.names[:depth]))


def _told(outcome: Outcome, publication: Publication) -> Outcome:
    others = (other for other in outcome.publications if other != publication)
    return evolve(outcome, publications=(*others, publication))


def _address(root: Path, url: str | None, there: Place) -> str:
    path = "/".join(there.names)
    if url is None:
        return f"{root.resolve().as_uri()}/{quote(path)}/{INDEX}"
    return f"{url.rstrip('/')}/{quote(path)}/"


def _listing(directory: int, path: tuple[str, ...]) -> bytes:
    entries = sorted(_entries(directory), key=_order)
    shown = entries[:_LISTED]
    known = [evolve(entry, build=_identity(directory, entry.name)) for entry in shown[:_IDENTIFIED]]
    shown[:_IDENTIFIED] = known
    return html.listing_page(path, shown, len(entries) - len(shown))


def _entries(directory: int) -> Iterator[Entry]:
    for name in os.listdir(directory):
        if name.startswith(".") or name == INDEX:
            continue
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            continue
        modified = datetime.datetime.fromtimestamp(int(status.st_mtime), datetime.UTC)
        if stat.S_ISDIR(status.st_mode):
            yield Entry(name, directory=True, modified=modified)
        elif stat.S_ISREG(status.st_mode):
            yield Entry(name, directory=False, size=status.st_size, modified=modified)


def _identity(directory: int, name: str) -> Identity | None:
    try:
        below = place.open_directory(directory, name)
    except OSError:
        return None
    try:
        return place.read_identity(below)
    finally:
        os.close(below)


def _order(entry: Entry) -> tuple[bool, float, str]:
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
        return f'content="{html.GENERATOR} '.encode() in file.read(1024)
