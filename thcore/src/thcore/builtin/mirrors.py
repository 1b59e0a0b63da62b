"""Bare mirrors of projects, kept between builds and shared by all builds that run at the same time.

::

    mirrors/PROJECT/            PROJECT is percent-encoded
        lock                    alone: to make, refresh or tidy; shared: to fetch for one build
        current                 names the generation in use
        1.git, 2.git, …         a corrupt mirror is replaced by a new generation; an old one is removed when unused

A build fetches into a ref of its own below ``refs/thcore/`` and never through ``FETCH_HEAD``, so that builds do not
meet. That ref also says that the build uses the generation. Nothing is ever pruned: work trees borrow the mirror's
objects.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from thcore.builtin.attempts import attempt_name
from thcore.builtin.git_process import Address, Git, GitCallError
from thcore.builtin.lock import locked, locked_if_free

_MANY_PACKS = 40
_STALE_FILE_S = 60.0
_NAME_LIMIT = 150
_CORRUPT = re.compile(
    r"^(?!remote:).*(?:not a git repository|bad object|object file \S+ is empty|is corrupt|is truncated|corrupted|"
    r"unable to read (?:tree|sha1|object)|invalid sha1 pointer|bad tree object|not a tree|missing (?:blob|tree|commit)|"
    r"packfile \S+ (?:cannot be|is|does)|pack has|index file \S+ is|index-pack failed|bad config|bad signature|"
    r"inflate|unable to open object pack|failed to read object|unable to unpack|"
    r"did not send all necessary objects|unresolved deltas|Could not parse object)",
    re.IGNORECASE | re.MULTILINE,
)


def looks_corrupt(error: GitCallError) -> bool:
    """Whether git's words are about the objects of this machine, not about the remote."""
    return _CORRUPT.search(error.text) is not None


def mirror_name(project: str) -> str:
    """A directory name for a project; no two projects share one."""
    name = quote(project, safe="").replace("~", "%7E").replace(".", "%2E")
    # "=" is in no percent-encoded name.
    return name if len(name) <= _NAME_LIMIT else f"sha256={hashlib.sha256(project.encode()).hexdigest()}"


def attempt_refs(build_id: str, attempt: int) -> str:
    """The part of the ref namespace that belongs to one attempt."""
    return f"refs/thcore/{attempt_name(build_id, attempt)}"


@frozen
class Mirror:
    """The mirror of one project."""

    directory: Path
    git: Git

    @property
    def _lock(self) -> Path:
        return self.directory / "lock"

    @contextmanager
    def used(self) -> Iterator[Path]:
        """The current generation, safe from being replaced meanwhile; other builds may use it too."""
        with locked(self._lock, self.git.build.check, shared=True):
            generation = self._generation()
            if generation is None:
                raise GitCallError(f"the mirror {self.directory} has been removed meanwhile")
            yield generation

    def refresh(self, origin: Address, max_age_s: float) -> None:
        """Make the mirror if there is none, and bring branches and tags up to date unless that was done lately.

        They spare later fetches from transferring what is here already, and give work trees their tags; no build's
        commit is taken from them. An origin that cannot be reached is therefore logged only.
        """
        if self._fresh(max_age_s):
            return
        with locked(self._lock, self.git.build.check):
            if self._fresh(max_age_s):
                return
            generation = self._generation() or self._make()
            _sweep(generation)
            if not self._try_refresh(generation, origin):
                generation = self._make()
                self._try_refresh(generation, origin)
            (generation / "refreshed").touch()

    def _try_refresh(self, generation: Path, origin: Address) -> bool:
        """Answers False when the mirror itself is at fault."""
        try:
            self.fetch(generation, origin, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "--prune")
        except GitCallError as error:
            self.git.build.log(f"the mirror of {origin} could not be refreshed", source="git")
            return not looks_corrupt(error)
        return True

    def fetch(self, generation: Path, remote: Address, *refspecs_and_options: str) -> None:
        """Fetch refspecs, without anything else that git would do on the way."""
        options = tuple(part for part in refspecs_and_options if part.startswith("--"))
        refspecs = tuple(part for part in refspecs_and_options if not part.startswith("--"))
        quiet = ("--no-tags", "--no-auto-maintenance", "--no-write-fetch-head", "--no-recurse-submodules", "--quiet")
        self.git("fetch", *quiet, *options, "--end-of-options", remote.url, *refspecs, directory=generation)

    def replace(self, generation: Path) -> None:
        """Start a new generation because this one is corrupt. Builds that borrow objects of the old one keep it."""
        with locked(self._lock, self.git.build.check):
            if self._generation() == generation:
                self._make()

    def tidy(self, generation: Path) -> None:
        """Join packs when there are many, unless another build is at the mirror. No object is ever dropped."""
        packs = generation / "objects" / "pack"
        if not packs.is_dir() or sum(name.endswith(".pack") for name in os.listdir(packs)) < _MANY_PACKS:  # noqa: PTH208
            return
        with locked_if_free(self._lock) as held:
            if held:
                self.git("repack", "-d", "--geometric=2", "--quiet", directory=generation)

    def _fresh(self, max_age_s: float) -> bool:
        generation = self._generation()
        try:
            return generation is not None and time.time() - (generation / "refreshed").stat().st_mtime <= max_age_s
        except FileNotFoundError:
            return False

    def _generation(self) -> Path | None:
        return current(self.directory)

    def _make(self) -> Path:
        numbers = (int(path.name.removesuffix(".git")) for path in self.directory.glob("[0-9]*.git"))
        generation = self.directory / f"{max(numbers, default=0) + 1}.git"
        self.git("init", "--bare", "--quiet", "--template=", str(generation))
        note = self.directory / "current.new"
        note.write_text(generation.name, "ascii")
        note.replace(self.directory / "current")
        return generation


def forget(mirrors: Path, build_id: str, attempt: int) -> None:
    """Drop an attempt's refs from all mirrors, what a killed fetch left, and generations that nobody uses any more.

    Idempotent; never waits.
    """
    for directory in mirrors.iterdir() if mirrors.is_dir() else ():
        current = _current(directory)
        generations = list(directory.glob("*.git"))
        for generation in generations:
            # The refs are plain files: nothing ever packs them.
            shutil.rmtree(generation / attempt_refs(build_id, attempt), ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):  # another attempt that ends removes the whole generation
                if _half_done(generation):
                    with locked_if_free(directory / "lock") as held:
                        for path in _half_done(generation) if held else ():
                            path.unlink(missing_ok=True)
        old = [generation for generation in generations if generation.name != current and not _in_use(generation)]
        if old:
            with locked_if_free(directory / "lock") as held:
                for generation in old if held else ():
                    if not _in_use(generation):
                        shutil.rmtree(generation, ignore_errors=True)


def _half_done(generation: Path) -> tuple[Path, ...]:
    """Packs that were not completed, however large by then, and marks that keep a pack until its fetch is complete."""
    packs = generation / "objects" / "pack"
    return (*packs.glob("tmp_*"), *packs.glob(".tmp-*"), *packs.glob("*.keep"))


def _in_use(generation: Path) -> bool:
    try:
        return any((generation / "refs" / "thcore").iterdir())
    except FileNotFoundError:
        return False


def current(directory: Path) -> Path | None:
    """The generation in use of the mirror in a directory."""
    name = _current(directory)
    return directory / name if name else None


def _current(directory: Path) -> str | None:
    try:
        name = (directory / "current").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    # A crash of the machine may have left it empty.
    return name if re.fullmatch(r"[0-9]+\.git", name) and (directory / name).is_dir() else None


def _sweep(generation: Path) -> None:
    """Remove what killed calls of git left. Only while the mirror is locked: nobody else is writing to it."""
    locks = (*generation.glob("*.lock"), *_locks(generation / "refs"))
    objects = (generation / "objects").glob("??/tmp_obj_*")
    for path in (*_half_done(generation), *objects, *locks):
        # One that is just being killed may still be at it.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _STALE_FILE_S:
                path.unlink()


def _locks(refs: Path) -> Iterator[Path]:
    # Unlike Path.rglob, os.walk passes over a directory that vanishes: builds that end take their refs away meanwhile.
    for directory, _, names in os.walk(refs):
        yield from (Path(directory, name) for name in names if name.endswith(".lock"))
