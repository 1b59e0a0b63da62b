"""Publishing one build: its evidence, its pages, and the listings on the way to it."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from attrs import evolve

from thcore.model import JobHistory, Outcome, Publication
from thcore.pages import html, site
from thcore.pages.html import INDEX, Entry
from thcore.pages.listed import ListedBuild
from thplugins_publish_local import ledger, place, tree
from thplugins_publish_local.place import Place

NAME = "publish_local"
_LISTED = 1000


def publish(
    artifacts: Path, root: Path, url: str | None, log_path: str, outcome: Outcome, past: JobHistory | None = None
) -> Publication:
    """Put a build's evidence below ``root`` and answer where it can be read. ``past`` is the history of its job.

    Raises InfrastructureError (code ``publish-failed``) when it cannot; then nothing is there, or what was there
    before. Code ``publish-superseded``: a later attempt of the build is published.
    """
    try:
        with place.opened(root, log_path) as there:
            publication = Publication(_address(root, url, there), NAME)
            with (
                there.staged(outcome.build, outcome.fence) as staging,
                site.assembled(artifacts, told(outcome, publication), past) as assembled,
            ):
                tree.put_up(assembled, staging)
            return publication
    except OSError as error:
        raise place.failure(f"cannot publish below {root}: {error.strerror or error}") from error


def relist(root: Path, log_path: str, outcome: Outcome | None = None) -> None:
    """Write the listings of the directories above a build, the root's included. With an outcome, that build is listed
    in each of them from now on. Raises OSError.

    A page that is not ours, such as the operator's own front page, is left as it is.
    """
    with place.opened(root, log_path) as there:
        for depth in range(len(there.directories) - 1, -1, -1):
            directory = there.directories[depth]
            # Listed and written under one lock, so that an older listing never replaces a newer one.
            with place.locked(directory):
                builds = ledger.noted(directory, "/".join(there.names[depth:]), outcome)
                if _may_write_index(directory):
                    tree.replace_file(directory, INDEX, _listing(directory, there.names[:depth], builds))


def told(outcome: Outcome, publication: Publication) -> Outcome:
    """The outcome with what became of its evidence here."""
    others = (other for other in outcome.publications if other != publication)
    return evolve(outcome, publications=(*others, publication))


def _address(root: Path, url: str | None, there: Place) -> str:
    path = "/".join(there.names)
    if url is None:
        return f"{root.resolve().as_uri()}/{quote(path)}/{INDEX}"
    return f"{url.rstrip('/')}/{quote(path)}/"


def _listing(directory: int, path: tuple[str, ...], builds: tuple[ListedBuild, ...]) -> bytes:
    listed = {build.path for build in builds}
    entries = sorted((entry for entry in _entries(directory) if entry.name not in listed), key=_order)
    return html.listing_page(path, entries[:_LISTED], max(len(entries) - _LISTED, 0), builds)


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
