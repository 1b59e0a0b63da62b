"""A distribution for a new plugin, written from templates."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import jinja2
from attrs import frozen

from thcore import __version__
from thcore.errors import InfrastructureError, RefusedError
from thcore.model import StageName

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST = 30
_DOES: Mapping[StageName, str] = {
    StageName.CHECKOUT: "copies the project from a directory",
    StageName.ENVIRONMENT: "puts a directory of programs on the path",
    StageName.EXECUTE: "runs a program in the checkout",
    StageName.ANALYSE: "looks for a word in the build log",
    StageName.PUBLISH: "puts the evidence into a directory",
}


@frozen
class Names:
    """What a plugin, ``slow_tests``, and everything around it are called."""

    plugin: str

    @property
    def distribution(self) -> str:
        """What is installed: ``thplugins-slow-tests``; also the directory that it is written in."""
        return f"thplugins-{self.plugin.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What is imported: ``thplugins_slow_tests``."""
        return f"thplugins_{self.plugin}"

    @property
    def cls(self) -> str:
        """The class of the plugin: ``SlowTests``."""
        return "".join(word.capitalize() for word in self.plugin.split("_"))


def named(text: str) -> Names:
    """The names of a plugin that somebody wants to write. Raises RefusedError for what is no name."""
    name = text.replace("-", "_").removeprefix("thplugins_")
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or keyword.iskeyword(name):
        raise RefusedError(
            f"{text!r} is no name for a plugin; write lower-case letters, digits and _, a letter first, at most"
            f" {_LONGEST} in all: slow_tests"
        )
    return Names(name)


def contents(names: Names, stage: StageName) -> Mapping[str, str]:
    """The files of the distribution, by name."""
    major, minor, *_ = __version__.split(".")
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("thcore.starter"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - these are no pages
    )
    words = {
        "names": names,
        "does": _DOES[stage],
        "stage": stage.value,
        "thcore": f"thcore>={major}.{minor},<{int(major) + 1}",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    files = {
        ".gitignore": "gitignore.j2",
        "README.md": "README.md.j2",
        "pyproject.toml": "pyproject.toml.j2",
        f"src/{names.package}/__init__.py": "package.py.j2",
        f"src/{names.package}/plugin.py": f"plugin/{stage.value}.py.j2",
        f"src/{names.package}/py.typed": "py.typed.j2",
        "tests/test_plugin.py": f"tests/{stage.value}.py.j2",
    }
    return {name: templates.get_template(template).render(words) for name, template in files.items()}


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write the files into a new directory. Raises RefusedError when there is something in it, and
    InfrastructureError when it cannot be written."""
    try:
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise RefusedError(f"{root} is there already; remove it, or write elsewhere with --directory")
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise InfrastructureError(f"cannot write {root}: {error.strerror}") from error
