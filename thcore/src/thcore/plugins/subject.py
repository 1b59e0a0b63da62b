"""A plugin that is to be checked: one that is installed, or a distribution that is not."""

from __future__ import annotations

import difflib
import importlib.metadata
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.errors import ConfigError
from thcore.plugins import discovery, fit
from thcore.plugins.discovery import GROUP


@frozen
class Subject:
    """An entry point ``name = value``, and what the metadata of its distribution says.

    ``wants`` are the versions of thcore that it works with, ``python`` those of Python; empty for any. ``paths`` are
    where it is imported from, beside what is installed.
    """

    name: str
    value: str
    distribution: str
    version: str
    wants: str = ""
    python: str = ""
    paths: tuple[str, ...] = ()


def subjects(target: str) -> tuple[Subject, ...]:
    """What a name or a path stands for: the plugin of that name, or all those of a directory or a wheel.

    Raises ConfigError when it is neither, or when there is no plugin in it.
    """
    installed = [candidate for candidate in discovery.candidates() if candidate.name == target]
    if installed:
        return tuple(
            Subject(each.name, each.value, each.distribution, each.version, each.wants, _python_of(each.distribution))
            for each in installed
        )
    path = Path(target)
    if path.is_dir():
        return _of_directory(path.resolve())
    if path.suffix == ".whl" and path.is_file():
        return _of_wheel(path.resolve())
    names = {candidate.name for candidate in discovery.candidates()}
    close = difflib.get_close_matches(target, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "what is installed is listed by: thcore plugins"
    raise ConfigError(f"{target} is neither an installed plugin nor a directory or wheel of one; {hint}")


def _of_directory(path: Path) -> tuple[Subject, ...]:
    file = path / "pyproject.toml"
    try:
        project: Mapping[str, Any] = tomllib.loads(file.read_text("utf-8"))["project"]
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no pyproject.toml; install the plugin, and check it by its name") from None
    except (KeyError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = "it has no table [project]" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"{file}: {why}") from None
    points = project.get("entry-points", {}).get(GROUP, {})
    if not points:
        raise ConfigError(f'{file}: it has no entry point; add the table [project.entry-points."{GROUP}"]')
    return tuple(
        Subject(
            name,
            str(value),
            str(project.get("name", path.name)),
            str(project.get("version", "?")),
            fit.wanted(map(str, project.get("dependencies", ()))),
            str(project.get("requires-python", "")),
            tuple(str(place) for place in (path / "src", path) if place.is_dir()),
        )
        for name, value in sorted(points.items())
    )


def _of_wheel(path: Path) -> tuple[Subject, ...]:
    found = tuple(
        subject
        for distribution in importlib.metadata.distributions(path=[str(path)])
        for subject in _of_distribution(distribution, path)
    )
    if not found:
        raise ConfigError(f"{path}: it has no entry point of the group {GROUP}")
    return found


def _of_distribution(distribution: importlib.metadata.Distribution, path: Path) -> Iterable[Subject]:
    for point in distribution.entry_points:
        if point.group == GROUP:
            yield Subject(
                point.name,
                point.value,
                distribution.metadata["Name"] or "?",
                distribution.metadata["Version"] or "?",
                fit.wanted(distribution.requires or ()),
                distribution.metadata["Requires-Python"] or "",
                (str(path),),
            )


def _python_of(distribution: str) -> str:
    try:
        return importlib.metadata.metadata(distribution)["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        return ""
