"""Whether a plugin was made for this thcore, by what its distribution requires."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

CORE = "thcore"
"""The distribution whose versions count."""

_FROM_BELOW = frozenset({">=", ">", "~=", "==", "==="})
"""Operators that a version can be too old for."""


def wanted(requirements: Iterable[str]) -> str:
    """Which versions of thcore a distribution can work with, as its metadata says (``>=0.1,<1``); empty for any.

    ``requirements`` are its ``Requires-Dist``. What is no requirement, or is for an extra only, does not count.
    """
    specifiers = SpecifierSet()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if requirement.name.lower() == CORE and applies:
            specifiers &= requirement.specifier
    return ",".join(sorted(map(str, specifiers), key=lambda each: (each.startswith("<"), each)))


def misfit(specifiers: str, core: str, distribution: str) -> str | None:
    """Why a distribution that wants these versions of thcore does not work with version ``core``, and what to install.

    None: it does.
    """
    failing = [each for each in SpecifierSet(specifiers) if not each.contains(core, prereleases=True)]
    if not failing:
        return None
    want = f"{CORE}{specifiers}"
    if any(_too_old(core, each) for each in failing):
        return f"it needs {want}, and this is {CORE} {core}; pip install --upgrade '{want}'"
    return (
        f"it was made for {want}, and this is {CORE} {core}; install a newer one: pip install --upgrade {distribution},"
        f" or an older core: pip install '{want}'"
    )


def _too_old(core: str, failing: Specifier) -> bool:
    if failing.operator not in _FROM_BELOW:
        return False
    try:
        return Version(core) <= Version(failing.version.removesuffix(".*"))
    except InvalidVersion:  # === may be followed by anything
        return False
