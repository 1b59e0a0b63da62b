"""Telling plugins that a name of ours will go, at their own line, for one minor release.

What is deprecated since 0.4 works and warns in all of 0.4, and is gone in 0.5. A test fails when it is kept for longer.
Nothing here is for plugins to use.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from attrs import frozen

P = ParamSpec("P")
R = TypeVar("R")

_OURS = f"{Path(__file__).parent}/"


class ThcoreDeprecation(DeprecationWarning):
    """Something that a plugin uses is gone in the next minor release."""


@frozen
class Deprecated:
    """What will go: ``what`` in words, ``since`` the last minor release to have it (``0.4``), and what takes
    its place."""

    what: str
    since: str
    instead: str

    @property
    def gone(self) -> str:
        """The first release without it."""
        major, minor = self.since.split(".")
        return f"{major}.{int(minor) + 1}"

    def warning(self) -> ThcoreDeprecation:
        """What is said to whoever uses it. The argument ``warn_on_impl`` of a hook, which pluggy says at the line of
        its implementation."""
        return ThcoreDeprecation(f"{self.what} is gone in thcore {self.gone}; {self.instead}")

    def warn(self) -> None:
        """Say it at the line outside of thcore that led here."""
        frame = _theirs(sys._getframe())  # noqa: SLF001 - the documented way to the caller
        warnings.warn_explicit(
            self.warning(),
            ThcoreDeprecation,
            frame.f_code.co_filename,
            frame.f_lineno,
            frame.f_globals.get("__name__"),
            frame.f_globals.setdefault("__warningregistry__", {}),
        )


def renamed(module: str, names: Mapping[str, tuple[str, str]]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module some names of which have others now.

    ``names`` says of each old one the new one and the last minor release to have the old one:
    ``__getattr__ = renamed(__name__, {"Fault": ("Finding", "0.4")})``. Old names are not in ``__all__``.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        new, since = names[name]
        Deprecated(f"{module}.{name}", since, f"its name is {new} now").warn()
        return getattr(sys.modules[module], new)

    return look_up


def deprecated(*, since: str, instead: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function or method that will go. ``instead`` is half a sentence: "call build.run"."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        what = Deprecated(f"{function.__module__}.{function.__qualname__}", since, instead)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            what.warn()
            return function(*args, **kwargs)

        return call

    return decorate


def _theirs(frame: FrameType) -> FrameType:
    """The innermost frame that is neither thcore's nor of Python's own import."""
    outer: FrameType | None = frame
    while outer is not None:
        file = outer.f_code.co_filename
        if not file.startswith((_OURS, "<frozen importlib")):
            return outer
        outer = outer.f_back
    return frame
