"""Publishing one build: its evidence, its pages, and the listings on the way to it."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from attrs import evolve

from thcore.model import JobHistory, LivePage, Outcome, Publication
from thcore.pages import html, site
from thcore.pages.html import INDEX, Entry
from thcore.pages.listed import ListedBuild
from thplugins_publish_local import directories, ledger, place, tree
from thplugins_publish_local.access import EVERYBODY, Access

T = TypeVar("T")

NAME = "publish_local"
_LISTED = 1000


def address(root: Path, url: str | None, log_path: str) -> str:
    """Where a build's page is, or will be. Nothing is looked at on the disk. Raises InfrastructureError for a log path
    that cannot be used."""
    path = quote("/".join(place.split(log_path)))
    if url is None:
        return f"{root.absolute().as_uri()}/{path}/{INDEX}"
    return f"{url.rstrip('/')}/{path}/"


def publish(
    artifacts: Path,
    root: Path,
    url: str | None,
    log_path: str,
    outcome: Outcome,
    access: Access = EVERYBODY,
    past: JobHistory | None = None,
) -> Publication:
    """Put a build's evidence below ``root`` and answer where it can be read. ``past`` is the history of its job.

    Raises InfrastructureError (code ``publish-failed``) when it cannot; then nothing is there, or what was there
    before. Code ``publish-superseded``: a later attempt of the build is published.
    """
    publication = Publication(address(root, url, log_path), NAME)

    def put_up() -> Publication:
        with (
            place.opened(root, log_path, access) as there,
            there.staged(outcome.build, outcome.fence) as staging,
            site.assembled(artifacts, told(outcome, publication), past) as assembled,
        ):
            tree.put_up(assembled, staging, access)
        return publication

    return _below(root, put_up)


def publish_live(
    page: LivePage,
    build: str,
    root: Path,
    log_path: str,
    access: Access = EVERYBODY,
    check: Callable[[], None] = lambda: None,
) -> bool:
    """Put up the page of a build that runs; answers whether there was none of this attempt yet. ``check`` is called
    before each file, and raises when the page comes too late.

    Nothing of it is forced to the disk: what replaces it soon need not outlive a power failure. Raises as ``publish``.
    """

    def write(directory: int) -> None:
        for name, content in page.files.items():
            check()
            # Web servers tell whole seconds: the evidence must be newer than the page that it takes the place of.
            modified = time.time() - 1 if name == INDEX else None
            _replace_below(directory, name, content, access, modified)

    def put_up() -> bool:
        with place.opened(root, log_path, access) as there:
            with there.running(build, page.fence) as present:
                if present is not None:
                    write(present)
                    return False
            with there.staged(build, page.fence, live=True) as staging:
                write(staging)
                tree.mark(staging, sum(map(len, page.files.values())), access)
                check()
            return True

    return _below(root, put_up)


def relist(root: Path, log_path: str, access: Access = EVERYBODY, outcome: Outcome | None = None) -> None:
    """Write the listings of the directories above a build, the root's included. With an outcome, that build is listed
    in each of them from now on. Raises OSError.

    A page that is not ours, such as the operator's own front page, is left as it is.
    """
    with place.opened(root, log_path, access) as there:
        for depth in range(len(there.directories) - 1, -1, -1):
            directory = there.directories[depth]
            # Listed and written under one lock, so that an older listing never replaces a newer one.
            with directories.locked(directory):
                builds = ledger.noted(directory, "/".join(there.names[depth:]), outcome, access)
                if may_write_index(directory):
                    tree.replace_file(directory, INDEX, _listing(directory, there.names[:depth], builds), access)


def _below(root: Path, put_up: Callable[[], T]) -> T:
    """Put something up, and once more if a directory above was removed meanwhile: those that hold nothing are."""
    try:
        try:
            return put_up()
        except FileNotFoundError:
            return put_up()
    except OSError as error:
        raise place.failure(f"cannot publish below {root}: {error.strerror or error}") from error


def told(outcome: Outcome, publication: Publication) -> Outcome:
    """The outcome with what became of its evidence here."""
    others = (other for other in outcome.publications if other != publication)
    return evolve(outcome, publications=(*others, publication))


def _replace_below(directory: int, name: str, content: bytes, access: Access, modified: float | None) -> None:
    below, _, last = name.rpartition("/")
    with contextlib.ExitStack() as stack:
        if below:
            directory = directories.open_or_make(directory, below, access)
            stack.callback(os.close, directory)
        tree.replace_file(directory, last, content, access, durable=False, modified=modified)


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


def may_write_index(directory: int) -> bool:
    """Whether there is no page of the directory, or one of ours."""
    try:
        descriptor = os.open(INDEX, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        return f'content="{html.GENERATOR} '.encode() in file.read(1024)
