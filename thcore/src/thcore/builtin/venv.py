"""Python environments with uv: what a project needs is installed once and shared, the project itself for each build."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from thcore.builtin import requirements
from thcore.builtin.environments import (
    Base,
    Environments,
    Recipe,
    create,
    forget,
    lend_scripts,
    site_packages,
    sources,
)
from thcore.builtin.requirements import Local, Requirements
from thcore.builtin.uv_process import Uv
from thcore.errors import ChangeError, InfrastructureError
from thcore.hooks import Build, hookimpl, option
from thcore.model import Attempt, Checkout, Command, Environment, Finding, Severity

_DEFAULT_FILES = ("requirements.txt",)
_PYTHON = re.compile(r"(?!-)[\x21-\x7e]+")


@frozen
class VenvOptions:
    """Options of the venv plugin."""

    requirements: tuple[str, ...] = option(
        "Requirement files in the checkout. The default one may be missing: then what the project declares is"
        " installed.",
        default=_DEFAULT_FILES,
    )
    constraints: tuple[str, ...] = option(
        "Constraint files: paths in the checkout, or absolute ones of the worker.", default=()
    )
    packages: tuple[str, ...] = option(
        "More packages, such as a database driver.", default=(), example="[PyMySQL, setuptools]"
    )
    python: str | None = option(
        "Version of Python, or path of an interpreter; it is never downloaded. Without it, the worker's own.",
        default=None,
        example='"3.12"',
    )
    exclude_newer: str | None = option(
        "Ignore packages that were published after this date.", default=None, example='"2026-01-31"'
    )
    install_project: bool = option("Install the project itself, if it can be installed.", default=True)
    editable: bool = option(
        "Install the project so that its files are used where they are, in the checkout.", default=True
    )
    find_links: tuple[str, ...] = option("More places of packages: absolute directories or URLs.", default=())
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


class VenvPlugin:
    """The plugin ``venv``."""

    @hookimpl
    def thcore_job_options(self) -> type[VenvOptions]:
        """Options of a job."""
        return VenvOptions

    @hookimpl
    def thcore_environment(self, build: Build, options: VenvOptions, checkout: Checkout) -> Environment:
        """Find or make the base environment, and put a thin one with the project on top of it.

        Raises ChangeError (``environment-failed``) when the change's own files are the reason, and InfrastructureError
        (``index-unreachable``, ``package-not-built``, ``python-missing``, ``environment-not-made``).
        """
        installable = options.install_project and requirements.has_project(checkout.path)
        needs = requirements.read(
            checkout.path,
            options.requirements,
            options.constraints,
            optional=options.requirements == _DEFAULT_FILES,
            project=installable,
        )
        uv = Uv(build, build.state / "cache", options.offline)
        recipe = _recipe(build, uv, options, needs)
        base = Environments(_environments(build.state), build, uv).base(recipe)
        venv = _thin(build, uv, base, recipe)
        for command in _installs(options, needs, checkout.path.resolve(), installable=installable):
            if "--no-deps" not in command:
                command = (*command, "--constraints", str(_pins(base, venv)), *_sources(options))  # noqa: PLW2901
            uv("pip", "install", "--python", str(venv / "bin" / "python"), *command, cwd=build.workspace.temporary)
        return Environment(
            variables={"VIRTUAL_ENV": str(venv), "PYTHONNOUSERSITE": "1"},
            path=(venv / "bin", base.venv / "bin"),
            python=venv / "bin" / "python",
            description=base.frozen,
        )

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
            return [Finding("uv-missing", Severity.UNVERIFIED, str(error), hint="install uv beside thcore")]


plugin = VenvPlugin()


def _environments(state: Path) -> Path:
    return state / "environments"


def _sources(options: VenvOptions) -> tuple[str, ...]:
    return sources(options.exclude_newer, options.find_links)


def _recipe(build: Build, uv: Uv, options: VenvOptions, needs: Requirements) -> Recipe:
    python, python_version = _interpreter(build, uv, options.python)
    return Recipe(
        (*needs.lines, *options.packages),
        needs.constraints,
        python,
        python_version,
        options.exclude_newer,
        options.find_links,
        # What the lines mean may have changed since; such an environment is for one build.
        nonce=f"{build.id} {build.attempt}" if needs.unsteady else "",
    )


def _interpreter(build: Build, uv: Uv, wanted: str | None) -> tuple[Path, str]:
    """The interpreter and its exact version."""
    if wanted is None:
        return Path(sys.executable), f"{platform.python_implementation()} {platform.python_version()}"
    try:
        listing = uv("python", "find", "--no-project", "--system", wanted, cwd=build.workspace.temporary, capture=True)
    except (ChangeError, InfrastructureError) as error:
        raise InfrastructureError(f"there is no Python {wanted} here: {error}", code="python-missing") from error
    path = Path(listing.strip())
    ask = "import platform; print(platform.python_implementation(), platform.python_version())"
    result = build.run(Command((str(path), "-I", "-c", ask), source="venv", capture=True))
    if not result.ok:
        raise InfrastructureError(f"the interpreter {path} does not work: {result.reason()}", code="python-missing")
    return path, result.stdout.decode("utf-8", "replace").strip()


def _thin(build: Build, uv: Uv, base: Base, recipe: Recipe) -> Path:
    """A virtual environment of this build alone that sees the packages of its base."""
    venv = build.workspace.root / "venv"
    shutil.rmtree(venv, ignore_errors=True)
    create(uv, venv, recipe.python, cwd=build.workspace.temporary)
    # addsitedir, not the bare path: .pth files of the base count as well.
    line = f"import site; site.addsitedir({str(site_packages(base.venv))!r})\n"
    (site_packages(venv) / "_thcore_base.pth").write_text(line, "utf-8")
    lend_scripts(base.venv, venv)
    return venv


def _installs(options: VenvOptions, needs: Requirements, checkout: Path, *, installable: bool) -> list[tuple[str, ...]]:
    """Arguments of ``uv pip install`` for what comes from the checkout, one call each."""
    here = [local for local in needs.local if local.path == checkout]
    others = [local for local in needs.local if local.path != checkout]
    commands = [_argument(local) for local in others]
    if installable:
        extras = next((local.extras for local in here if local.extras), "")
        project = _argument(Local(checkout, options.editable, extras))
        # With a requirement file, that says what is needed; a project's extras are in no file.
        commands.append(project if extras or not needs.declared else (*project, "--no-deps"))
    return commands


def _argument(local: Local) -> tuple[str, ...]:
    target = f"{local.path}{local.extras}"
    return ("--editable", target) if local.editable else (target,)


def _pins(base: Base, venv: Path) -> Path:
    """The versions of the base as constraints, so that what is added fits."""
    pins = venv / "pins.txt"
    pins.write_text("".join(f"{line}\n" for line in base.frozen if re.fullmatch(r"\S+==\S+", line)), "utf-8")
    return pins
