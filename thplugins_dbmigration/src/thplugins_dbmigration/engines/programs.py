"""Finding a server's programs, and asking for their version."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Command, Seconds

SYSTEM = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where servers live that are not on the worker's PATH."""

ENVIRONMENT = {"PATH": ":".join(SYSTEM), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""What the programs of a server find in their environment: never the settings of whoever started the worker."""


def find(names: Sequence[str], places: Iterable[Path | str]) -> Path | None:
    """The first of ``names`` that can be executed in the first of ``places`` that has one."""
    for place in places:
        for name in names:
            found = shutil.which(name, path=str(place))
            if found is not None:
                return Path(found)
    return None


def search_path() -> tuple[str, ...]:
    """The directories of the worker's PATH, then the usual places of servers."""
    return (*(part for part in os.environ.get("PATH", "").split(os.pathsep) if part), *SYSTEM)


def version_of(build: Build, program: Path, pattern: str) -> str:
    """What ``program --version`` says, cut out by the first group of ``pattern``."""
    result = build.run(
        Command(
            (str(program), "--version"),
            cwd=Path("/"),
            env=ENVIRONMENT,
            source="server",
            timeout_s=Seconds(30.0),
            capture=True,
        )
    )
    match = re.search(pattern, result.stdout.decode("utf-8", "replace"))
    if not result.ok or match is None:
        raise InfrastructureError(
            f"{program} --version does not work: {result.reason()}; {' '.join(result.tail)[:200]}",
            code="engine-missing",
        )
    return match[1]
