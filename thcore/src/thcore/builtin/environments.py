"""Base environments: everything a project needs but the project itself, named by content and shared by builds.

::

    environments/KEY/           KEY is the SHA-256 of all that decides what is in it
        venv/                   never changed once it is complete
        requirements.txt  constraints.txt  frozen.txt
        users/                  one file for each attempt that uses it
        OK                      written last; its time is the last use
    environments/KEY.lock       alone: to make or remove; shared: to start using
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from attrs import frozen

from thcore.builtin.attempts import attempt_name
from thcore.builtin.lock import locked, locked_if_free
from thcore.builtin.uv_process import Uv
from thcore.hooks import Build

KEPT = 20
"""How many base environments are kept when they are not in use."""


@frozen
class Recipe:
    """All that decides what is in a base environment. ``nonce`` keeps one from being shared."""

    lines: tuple[str, ...]
    constraints: tuple[str, ...]
    python: Path
    python_version: str
    exclude_newer: str | None = None
    find_links: tuple[str, ...] = ()
    nonce: str = ""

    @property
    def key(self) -> str:
        """SHA-256 of the recipe, of uv's version and of the platform."""
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
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@frozen
class Base:
    """A complete base environment."""

    directory: Path

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.directory / "venv"

    @property
    def frozen(self) -> tuple[str, ...]:
        """What is in it, one ``name==version`` each."""
        return tuple((self.directory / "frozen.txt").read_text("utf-8").splitlines())


@frozen
class Environments:
    """The base environments below ``directory``."""

    directory: Path
    build: Build
    uv: Uv

    def base(self, recipe: Recipe) -> Base:
        """The environment of a recipe, made if there is none yet, and kept as long as this attempt lasts."""
        directory = self.directory / recipe.key
        lock = self.directory / f"{recipe.key}.lock"
        told = False

        def wait() -> None:
            nonlocal told
            if not told:
                told = True
                self.build.log(
                    f"waiting for another build, which makes the environment {recipe.key[:12]}", source="venv"
                )
            self.build.check()

        with locked(lock, wait, shared=True):
            if (base := self._use(directory)) is not None:
                self.build.log(f"the environment {recipe.key[:12]} is here already", source="venv")
                return base
        with locked(lock, wait):
            base = self._use(directory)
            if base is None:
                self._make(directory, recipe)
                base = self._use(directory)
        self._trim(keep=recipe.key)
        if base is None:
            raise AssertionError(directory)
        return base

    def _use(self, directory: Path) -> Base | None:
        try:
            os.utime(directory / "OK")
        except FileNotFoundError:
            return None
        (directory / "users" / attempt_name(self.build.id, self.build.attempt)).touch()
        return Base(directory)

    def _make(self, directory: Path, recipe: Recipe) -> None:
        self.build.log(f"making the environment {recipe.key[:12]}", source="venv")
        shutil.rmtree(directory, ignore_errors=True)
        (directory / "users").mkdir(parents=True)
        try:
            create(self.uv, directory / "venv", recipe.python, cwd=directory)
            wanted, limits = directory / "requirements.txt", directory / "constraints.txt"
            wanted.write_text("".join(f"{line}\n" for line in recipe.lines), "utf-8")
            limits.write_text("".join(f"{line}\n" for line in recipe.constraints), "utf-8")
            python = ("--python", str(directory / "venv" / "bin" / "python"))
            if recipe.lines:
                files = ("--requirements", str(wanted), "--constraints", str(limits))
                more = sources(recipe.exclude_newer, recipe.find_links)
                self.uv("pip", "install", *python, "--compile-bytecode", *files, *more, cwd=directory, third_party=True)
            listing = self.uv("pip", "freeze", *python, cwd=directory, capture=True)
            (directory / "frozen.txt").write_text(listing, "utf-8")
            (directory / "OK").touch()
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    def _trim(self, keep: str) -> None:
        """Remove what was not used for longest, beyond a number, and what a killed build left half made."""
        used: dict[str, float] = {}
        for path in self.directory.iterdir():
            key = path.name.removesuffix(".lock")
            try:
                used[key] = (self.directory / key / "OK").stat().st_mtime
            except FileNotFoundError:
                used[key] = 0.0
        del used[keep]
        newest = sorted((key for key in used if used[key]), key=lambda key: used[key], reverse=True)
        for key in used.keys() - newest[: KEPT - 1]:
            lock = self.directory / f"{key}.lock"
            with locked_if_free(lock) as held:
                if held and not any((self.directory / key / "users").glob("*")):
                    (self.directory / key / "OK").unlink(missing_ok=True)
                    shutil.rmtree(self.directory / key, ignore_errors=True)
                    lock.unlink()


def create(uv: Uv, venv: Path, python: Path, *, cwd: Path) -> None:
    """Make an empty virtual environment."""
    uv("venv", "--quiet", "--no-project", "--python", str(python), str(venv), cwd=cwd, third_party=True)


def sources(exclude_newer: str | None, find_links: tuple[str, ...]) -> tuple[str, ...]:
    """Options of ``uv pip install`` that say where packages come from."""
    newest = ("--exclude-newer", exclude_newer) if exclude_newer else ()
    return (*newest, *(part for links in find_links for part in ("--find-links", links)))


def forget(environments: Path, build_id: str, attempt: int) -> None:
    """An attempt does not use any environment any more; one that a killed build left half made is removed.

    Idempotent; never waits.
    """
    for directory in environments.glob("*/"):
        (directory / "users" / attempt_name(build_id, attempt)).unlink(missing_ok=True)
        if not (directory / "OK").exists():
            with locked_if_free(environments / f"{directory.name}.lock") as held:
                if held and not (directory / "OK").exists():
                    shutil.rmtree(directory, ignore_errors=True)


def site_packages(venv: Path) -> Path:
    """Where a virtual environment has its packages."""
    return next(venv.glob("lib/python*/site-packages"))


def lend_scripts(base: Path, venv: Path) -> None:
    """Give a virtual environment the console scripts of its base, run by its own interpreter.

    Without that, ``alembic`` would run in the base environment, where the project cannot be imported.
    """
    old, new = str(base / "bin" / "python").encode(), str(venv / "bin" / "python").encode()
    for script in (base / "bin").iterdir():
        target = venv / "bin" / script.name
        if script.is_symlink() or not script.is_file() or target.exists():
            continue
        text = script.read_bytes()
        head, newline, rest = text.partition(b"\n")
        # uv writes a line of shell instead where the interpreter's path is too long for the kernel.
        if head.startswith(b"#!/bin/sh"):
            second, newline_2, rest_2 = rest.partition(b"\n")
            head, rest = head + newline + second, rest_2
            newline = newline_2
        if head.startswith(b"#!") and old in head:
            target.write_bytes(head.replace(old, new) + newline + rest)
            target.chmod(0o755)
