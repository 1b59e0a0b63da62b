"""Python environments with uv: what a project needs is installed once and shared, the project itself for each build."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from thcore.builtin import interpreters, requirements
from thcore.builtin.base_environment import Base, Bounds, forget
from thcore.builtin.environments import Environments, Recipe, create
from thcore.builtin.installed_project import ProjectInstaller
from thcore.builtin.interpreters import Interpreter
from thcore.builtin.package_places import listed
from thcore.builtin.requirements import Local, Requirements, operators_constraints
from thcore.builtin.thin_environment import attach
from thcore.builtin.uv_process import Uv
from thcore.hooks import Build, hookimpl, option
from thcore.model import Attempt, Bytes, Checkout, Environment, Finding, Seconds, Severity

_DEFAULT_FILES = ("requirements.txt",)
_PYTHON = re.compile(r"(?!-)[\x21-\x7e]+")


def _constraints(_build: Build, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """What the worker's own files say; the commit decides about those of the checkout."""
    return [operators_constraints(Path(name)) for name in names if Path(name).is_absolute()]


def _interpreter(build: Build, wanted: str | None) -> list[str]:
    uv = Uv(build, build.state / "cache")
    python = interpreters.find(uv, wanted, _settings(build).pythons, cwd=build.workspace.temporary)
    return python.identity


def _places(_build: Build, names: tuple[str, ...]) -> list[list[str]]:
    return [listed(name) for name in names]


@frozen
class VenvOptions:
    """Options of the venv plugin."""

    requirements: tuple[str, ...] = option(
        "Requirement files in the checkout. The default one may be missing: then what the project declares is"
        " installed.",
        default=_DEFAULT_FILES,
    )
    constraints: tuple[str, ...] = option(
        "Constraint files: paths in the checkout, or absolute ones of the worker.",
        default=(),
        example="[/etc/thcore/constraints/shop.txt]",
        stands_for=_constraints,
    )
    packages: tuple[str, ...] = option(
        "More packages, such as a database driver.", default=(), example="[PyMySQL, setuptools]"
    )
    python: str | None = option(
        "Version of Python, or path of an interpreter; it is never downloaded. Without it, the worker's own.",
        default=None,
        example='"3.12"',
        stands_for=_interpreter,
    )
    exclude_newer: str | None = option(
        "Ignore packages that were published after this date.", default=None, example='"2026-01-31"'
    )
    install_project: bool = option("Install the project itself, if it can be installed.", default=True)
    editable: bool = option(
        "Install the project so that its files are used where they are, in the checkout.", default=True
    )
    find_links: tuple[str, ...] = option(
        "More places of packages: absolute directories or URLs.",
        default=(),
        example="[/srv/wheels]",
        stands_for=_places,
    )
    offline: bool = option("Do not use the network.", default=False)

    def __attrs_post_init__(self) -> None:
        if self.python is not None and not _PYTHON.fullmatch(self.python):
            raise ValueError(f"python {self.python!r} is no version and no path")
        if self.exclude_newer is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?", self.exclude_newer):
            raise ValueError(f"exclude_newer {self.exclude_newer!r} is no date; write for example 2026-01-31")
        for package in self.packages:
            if package.startswith("-") or not package.strip() or "\n" in package:
                raise ValueError(f"packages: {package!r} is no requirement")
        for name in self.find_links:
            if not name.startswith("/") and "://" not in name:
                raise ValueError(f"find_links: {name!r} is no absolute path and no URL")


@frozen
class VenvSettings:
    """Settings of the venv plugin, for the whole worker."""

    keep: int = option("How many environments are kept. One that a build uses is never removed.", default=20)
    max_size: Bytes = option(
        "How much they may take on the disk together; the one that was used last goes last.", default=Bytes(20 * 2**30)
    )
    max_age: Seconds = option("How long one is kept that no build uses.", default=Seconds(30 * 86400.0))
    max_cache: Bytes = option(
        "How large uv's cache may get, unless the variable UV_CACHE_DIR of the worker names one of your own.",
        default=Bytes(20 * 2**30),
    )
    pythons: tuple[str, ...] = option(
        "Directories with interpreters, beside those of `PATH`: `*` is any name, `~` the worker's home.",
        default=interpreters.PLACES,
    )

    def __attrs_post_init__(self) -> None:
        for name in ("keep", "max_size", "max_age", "max_cache"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be below 0")
        for place in self.pythons:
            if not place.startswith(("/", "~/")):
                raise ValueError(f"pythons: {place!r} is no absolute path")


class VenvPlugin:
    """The plugin ``venv``."""

    @hookimpl
    def thcore_job_options(self) -> type[VenvOptions]:
        """Options of a job."""
        return VenvOptions

    @hookimpl
    def thcore_settings(self) -> type[VenvSettings]:
        """Settings of the worker."""
        return VenvSettings

    @hookimpl
    def thcore_environment(self, build: Build, options: VenvOptions, checkout: Checkout) -> Environment:
        """Find or make the base environment, and put a thin one with the project on top of it.

        Raises ChangeError (``environment-failed``) when the change's own files are the reason, and InfrastructureError
        (``index-unreachable``, ``package-not-built``, ``python-missing``, ``environment-not-made``).
        """
        return _Preparation.of(build, options, checkout).environment()

    @hookimpl
    def thcore_cleanup(self, attempt: Attempt) -> None:
        """Let go of the base environments that the attempt used."""
        forget(_environments(attempt.state), attempt.build_id, attempt.number)

    @hookimpl
    def thcore_health(self) -> Iterable[Finding]:
        """Look for uv."""
        from uv import find_uv_bin

        try:
            return [Finding("uv", Severity.INFO, f"uv is {find_uv_bin()}")]
        except FileNotFoundError as error:
            return [Finding("uv-missing", Severity.UNVERIFIED, str(error), hint="Install uv beside thcore.")]


plugin = VenvPlugin()


def _settings(build: Build) -> VenvSettings:
    settings: VenvSettings | None = build.settings
    return settings or VenvSettings()


def _environments(state: Path) -> Path:
    return state / "environments"


@frozen
class _Preparation:
    """The environment of one checkout in the making."""

    build: Build
    options: VenvOptions
    settings: VenvSettings
    uv: Uv
    checkout: Path
    venv: Path
    python: Interpreter

    @classmethod
    def of(cls, build: Build, options: VenvOptions, checkout: Checkout) -> _Preparation:
        settings = _settings(build)
        uv = Uv(build, build.state / "cache", options.offline, options.exclude_newer, options.find_links)
        python = interpreters.find(uv, options.python, settings.pythons, cwd=build.workspace.temporary)
        venv = build.workspace.root / "venv"
        return cls(build, options, settings, uv, checkout.path.resolve(), venv, python)

    def environment(self) -> Environment:
        installable = self.options.install_project and requirements.has_project(self.checkout)
        needs = requirements.read(
            self.checkout,
            self.options.requirements,
            self.options.constraints,
            optional=self.options.requirements == _DEFAULT_FILES,
            project=installable,
        )
        shutil.rmtree(self.venv, ignore_errors=True)
        create(self.uv, self.venv, self.python.path, cwd=self.build.workspace.temporary)
        if installable:
            needs = self._with_project(needs)
        recipe = self._recipe(needs)
        settings = self.settings
        bounds = Bounds(settings.keep, settings.max_size, settings.max_age, settings.max_cache)
        base = Environments(_environments(self.build.state), self.build, self.uv, bounds).base(recipe)
        attach(base.venv, self.venv)
        for local in needs.local:
            if local.path != self.checkout:
                self._add(local, base)
        return Environment(
            variables={"VIRTUAL_ENV": str(self.venv), "PYTHONNOUSERSITE": "1"},
            path=(self.venv / "bin", base.venv / "bin"),
            python=self.venv / "bin" / "python",
            description=base.frozen,
        )

    def _with_project(self, needs: Requirements) -> Requirements:
        """Install the project alone. Answers with its needs where only its metadata say them."""
        installer = ProjectInstaller(
            self.build.state / "projects", self.build, self.uv, self.checkout, self.venv, self.python.version
        )
        installed = installer.install(editable=self.options.editable)
        extras = {extra for local in needs.local if local.path == self.checkout for extra in local.extra_names}
        if installed is None or (needs.declared and not extras):
            return needs
        return requirements.completed(needs, self.checkout, installed.requires(), extras)

    def _recipe(self, needs: Requirements) -> Recipe:
        return Recipe(
            (*needs.lines, *self.options.packages),
            needs.constraints,
            self.python.path,
            self.python.version,
            self.options.exclude_newer,
            tuple(tuple(listed(place)) for place in self.options.find_links),
            # What the lines mean may have changed since; such an environment is for one build.
            nonce=f"{self.build.id} {self.build.attempt}" if needs.unsteady else "",
        )

    def _add(self, local: Local, base: Base) -> None:
        """Install another part of the checkout, with what it needs beyond the base in versions that fit."""
        pins = self.venv / "pins.txt"
        pins.write_text("".join(f"{line}\n" for line in base.frozen if re.fullmatch(r"\S+==\S+", line)), "utf-8")
        target = f"{local.path}{local.extras}"
        what = ("--editable", target) if local.editable else (target,)
        self.uv.install(self.venv, *what, "--constraints", str(pins), cwd=self.build.workspace.temporary)
