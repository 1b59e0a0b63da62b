"""Base environments for builds: found, mended when a build has changed one, or made."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import sys
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from thcore.builtin import seal
from thcore.builtin.base_environment import PACKAGES, Base, Bounds, bases, trim
from thcore.builtin.lock import locked
from thcore.builtin.uv_process import Uv
from thcore.builtin.wheel_record import damaged, site_packages, unrecorded
from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build
from thcore.model import Command

CACHE_PATIENCE_S = 20
"""How long whoever is to empty uv's cache waits for others that use it."""

_NAMES_SHOWN = 5
_TOO_OLD_FOR_UV = re.compile(r"\w+ 3\.6\.")
"""uv installs for these, but cannot compile for them."""


@frozen
class Recipe:
    """All that decides what is in a base environment. ``find_links`` are places of packages, each with what is there
    (``package_places.listed``). ``nonce`` keeps one from being shared."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...]
    python: Path
    python_version: str
    exclude_newer: str | None = None
    find_links: tuple[tuple[str, ...], ...] = ()
    nonce: str = ""

    @property
    def key(self) -> str:
        """32 hex digits of the recipe, of uv's version and of the platform."""
        parts = {
            "lines": self.lines,
            "constraints": self.constraints,
            "python": [os.path.realpath(self.python), self.python_version],
            "exclude_newer": self.exclude_newer,
            "find_links": self.find_links,
            "nonce": self.nonce,
            "uv": version("uv"),
            "platform": [sys.platform, platform.machine(), *platform.libc_ver()],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


@frozen
class Environments:
    """The base environments below ``directory``, as one build sees them. Threads may share it."""

    directory: Path
    build: Build
    uv: Uv
    bounds: Bounds

    def base(self, recipe: Recipe) -> Base:
        """The environment of a recipe, made if there is none yet, and kept as long as this attempt lasts.

        What is in it is what was installed: one that was changed since is not used. Raises InfrastructureError
        (``environment-not-made``), and what ``Uv`` raises.
        """
        lock = self.directory / f"{recipe.key}.lock"
        told = False

        def wait() -> None:
            nonlocal told
            if not told:
                told = True
                self._log(f"waiting for another build, which makes the environment {_short(recipe.key)}")
            self.build.check()

        try:
            with locked(lock, wait, shared=True):
                base = self._ready(recipe.key)
            if base is None:
                with locked(lock, wait):
                    base = self._ready(recipe.key) or self._mended(recipe.key) or self._made(recipe)
                self._trim_cache()
            else:
                self._log(f"the environment {_short(recipe.key)} is here already")
            trim(self.directory, self.bounds)
        except OSError as error:
            raise InfrastructureError(
                f"the environments in {self.directory} cannot be used: {error}", code="environment-not-made"
            ) from error
        return base

    def _ready(self, key: str) -> Base | None:
        """The complete environment of that key, if nothing has changed it."""
        for base in bases(self.directory, key):
            state, _ = base.marked()
            if state and state == seal.state(base.venv):
                base.use(self.build)
                return base
        return None

    def _mended(self, key: str) -> Base | None:
        """One that looks changed, but is not, or can be made as it was by taking something out of it.

        One where that does not help is not used any more; builds that use it keep it until they end.
        """
        for base in bases(self.directory, key):
            difference = self._difference(base)
            if difference is not None and not difference.changed:
                if difference.added:
                    self._log(
                        f"taking out of the environment {_short(key)} what a build added: {_some(difference.added)}"
                    )
                    seal.take_out(base.venv, difference.added)
                seal.close(base.venv)
                base.mark()
                base.use(self.build)
                self._log(f"the environment {_short(key)} is here already")
                return base
            changed = _some(difference.changed) if difference else "its list of files"
            self._log(f"the environment {_short(key)} was changed since it was made, and is made again: {changed}")
            (base.directory / "OK").unlink(missing_ok=True)
        return None

    @staticmethod
    def _difference(base: Base) -> seal.Difference | None:
        try:
            before = json.loads((base.directory / "contents.json").read_text("utf-8"))
            return seal.difference(before, seal.contents(base.venv))
        except (OSError, ValueError, AttributeError):
            return None

    def _made(self, recipe: Recipe) -> Base:
        self._log(f"making the environment {_short(recipe.key)}")
        base = Base(self.directory / f"{recipe.key}.{secrets.token_hex(4)}")
        try:
            (base.directory / "users").mkdir(parents=True)
            if recipe.nonce:
                (base.directory / "alone").touch()
            create(self.uv, base.venv, recipe.python, cwd=base.directory)
            contents = self._installed(base, recipe)
            (base.directory / "contents.json").write_text(json.dumps(contents), "utf-8")
            seal.close(base.venv)
            base.mark()
            base.use(self.build)
        except BaseException:
            seal.remove(base.directory)
            raise
        return base

    def _installed(self, base: Base, recipe: Recipe) -> dict[str, str]:
        """Install what the recipe says. Answers the contents of the environment."""
        directory = base.directory
        wanted, limits = directory / "requirements.txt", directory / "constraints.txt"
        wanted.write_text("".join(f"{line}\n" for line in recipe.lines), "utf-8")
        limits.write_text("".join(f"{line}\n" for line in recipe.constraints), "utf-8")
        limited = ("--constraints", str(limits)) if recipe.constraints else ()
        compiled = () if _TOO_OLD_FOR_UV.match(recipe.python_version) else ("--compile-bytecode",)
        what = ("--requirements", str(wanted), *limited, *compiled)
        if recipe.lines:
            self.uv.install(base.venv, *what, cwd=directory, third_party=True)
            if not compiled:
                python = str(base.venv / "bin" / "python")
                # What does not compile is for other versions, and is not imported.
                self.build.run(
                    Command((python, "-m", "compileall", "-q", str(site_packages(base.venv))), source="venv")
                )
        listing = self.uv("pip", "freeze", "--python", str(base.venv / "bin" / "python"), cwd=directory, capture=True)
        (base.venv / PACKAGES).write_text(listing, "utf-8")
        contents = seal.contents(base.venv)
        # uv shares files between its cache and environments: a build that wrote into one has changed the cache as well.
        if names := damaged(base.venv, contents):
            self._log(f"uv's cache does not hold what these packages say they contain; fetching anew {_some(names)}")
            self.uv("cache", "clean", *names, cwd=directory)
            # Compiling looks at whole seconds only: what was compiled of the wrong files could stay for the right ones.
            for place in list(site_packages(base.venv).rglob("__pycache__")):
                seal.remove(place)
            again = (part for name in names for part in ("--reinstall-package", name))
            self.uv.install(base.venv, *what, *again, cwd=directory, third_party=True)
            contents = seal.contents(base.venv)
        # What cannot be checked next time must not be shared.
        for path in unrecorded(base.venv):
            seal.unshare(path)
        return contents

    def _trim_cache(self) -> None:
        """Bring uv's cache below its bound; another time, if builds that use it do not leave it for a moment."""
        if self.uv.own_cache and seal.size(self.uv.cache) > self.bounds.cache:
            self._log("uv's cache has grown beyond its bound, and is emptied")
            try:
                self.uv("cache", "clean", cwd=self.directory, more={"UV_LOCK_TIMEOUT": str(CACHE_PATIENCE_S)})
            except (ChangeError, InfrastructureError) as error:
                self._log(f"that did not succeed, and is tried again: {error}")

    def _log(self, message: str) -> None:
        self.build.log(message, source="venv")


def create(uv: Uv, venv: Path, python: Path, *, cwd: Path) -> None:
    """Make an empty virtual environment."""
    uv("venv", "--quiet", "--no-project", "--python", str(python), str(venv), cwd=cwd, third_party=True)


def _short(key: str) -> str:
    return key[:12]


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
