"""A base environment: everything a project needs but the project itself, named by content and shared by builds.

::

    environments/KEY.MAKING/    KEY: of all that decides what is in it; MAKING: of this one alone
        venv/                   closed once it is complete
            packages.txt        what is installed
        requirements.txt  constraints.txt
        contents.json           what is in every file
        users/                  one file for each attempt that uses it
        alone                   it is for one attempt
        OK                      written last; its time is the last use
    environments/KEY.lock       alone: to make, mend or remove; shared: to start using
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from thcore.builtin import seal
from thcore.builtin.attempts import attempt_name
from thcore.builtin.lock import locked_if_free
from thcore.hooks import Build
from thcore.model import Bytes, Seconds

PACKAGES = "packages.txt"


@frozen
class Bounds:
    """How much is kept: a number, bytes on the disk, and time since the last use; and how many bytes uv's cache may
    have."""

    number: int
    size: Bytes
    age: Seconds
    cache: Bytes


@frozen
class Base:
    """A base environment."""

    directory: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.directory / "venv"

    @property
    def frozen(self) -> tuple[str, ...]:
        """What is in it, one ``name==version`` each."""
        return tuple((self.venv / PACKAGES).read_text("utf-8").splitlines())

    @property
    def complete(self) -> bool:
        """It was finished."""
        return (self.directory / "OK").exists()

    @property
    def used(self) -> bool:
        """An attempt uses it."""
        return any((self.directory / "users").glob("*"))

    def use(self, build: Build) -> None:
        """Keep it as long as this attempt of the build lasts."""
        (self.directory / "users" / attempt_name(build.id, build.attempt)).touch()
        os.utime(self.directory / "OK")

    def mark(self) -> None:
        """Say that it is complete, and what it looks like."""
        said = json.dumps({"state": seal.state(self.venv), "size": seal.size(self.directory)})
        written = self.directory / f"OK.{secrets.token_hex(4)}"
        written.write_text(said, "utf-8")
        written.replace(self.directory / "OK")

    def marked(self) -> tuple[str, int]:
        """What ``mark`` said: the state, and the size in bytes; empty and 0 when that cannot be read."""
        try:
            said = json.loads((self.directory / "OK").read_text("utf-8"))
            return str(said["state"]), int(said["size"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", 0


def bases(environments: Path, key: str, *, complete: bool = True) -> Iterator[Base]:
    """Those of a key, the half made ones among them unless they are to be ``complete``."""
    found = (Base(path) for path in environments.glob(f"{key}.*/"))
    return (base for base in found if base.complete or not complete)


def trim(environments: Path, bounds: Bounds) -> None:
    """Remove what was not used for longest, beyond the bounds, and what a killed build left half made."""
    now, number, size = time.time(), 0, 0
    # What is in use cannot go, and takes its room first.
    ordered = sorted(_last_uses(environments), key=lambda found: (found[1].used, found[0]), reverse=True)
    for last_use, base in ordered:
        number, size = number + 1, size + base.marked()[1]
        if not base.complete or number > bounds.number or size > bounds.size or now - last_use > bounds.age:
            _remove_if_free(base)
    for lock in environments.glob("*.lock"):
        if not any(bases(environments, lock.stem, complete=False)):
            with locked_if_free(lock) as held:
                if held and not any(bases(environments, lock.stem, complete=False)):
                    lock.unlink(missing_ok=True)


def forget(environments: Path, build_id: str, attempt: int) -> None:
    """An attempt does not use any environment any more.

    What nobody can use any more is removed: what was for this attempt alone, was changed by a build, or was left half
    made by a killed one. Idempotent; never waits.
    """
    for directory in environments.glob("*/"):
        base = Base(directory)
        user = directory / "users" / attempt_name(build_id, attempt)
        if user.exists() and (directory / "alone").exists():
            (directory / "OK").unlink(missing_ok=True)
        user.unlink(missing_ok=True)
        if not base.complete:
            _remove_if_free(base, only_unfinished=True)


def _remove_if_free(base: Base, *, only_unfinished: bool = False) -> None:
    """Remove an environment unless an attempt uses it, or something is done with those of its key at this moment."""
    with locked_if_free(base.directory.with_suffix(".lock")) as held:
        if held and not base.used and not (only_unfinished and base.complete):
            (base.directory / "OK").unlink(missing_ok=True)
            seal.remove(base.directory)


def _last_uses(environments: Path) -> Iterator[tuple[float, Base]]:
    """Every environment with the time of its last use, which is 0 for one that is not complete."""
    for path in environments.glob("*/"):
        try:
            yield (path / "OK").stat().st_mtime, Base(path)
        except FileNotFoundError:
            yield 0.0, Base(path)
