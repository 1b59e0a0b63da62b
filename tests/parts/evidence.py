"""Evidence of a build, as its stages leave it."""

from __future__ import annotations

from attrs import evolve

from thcore.hooks import Build
from thcore.model import Outcome
from thcore.pages import site

from parts import outcomes


def keep(build: Build, **files: bytes) -> None:
    """Put files among the artifacts; ``a__b_txt`` is ``a/b.txt``."""
    for name, content in files.items():
        path = build.workspace.artifacts / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def outcome_of(build: Build, attempt: int = 1) -> Outcome:
    """What the build amounts to."""
    return evolve(outcomes.failing(), build=build.id, attempt=attempt, log_path=build.log_path)


def site_of(build: Build) -> set[str]:
    """Names of all files of the build's site."""
    with site.assembled(build.workspace.artifacts, outcome_of(build), build.recent()) as assembled:
        return {file.name for file in assembled.files}
