"""Tools that were unpacked once, for all builds of the worker."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from thcore.errors import ChangeError, InfrastructureError

from thplugins_example_toolchain.request import Tool


def unpacked(tool: Tool, archives: Path, state: Path, draft: Path) -> Path:
    """The directory of a tool below ``state``: unpacked now if it is not there yet.

    It is unpacked into ``draft`` and then moved, so that builds at the same time, and a kill, leave a whole one or
    none. Raises ChangeError when there is no such tool, InfrastructureError when it cannot be unpacked.
    """
    place = state / str(tool)
    if place.is_dir():
        return place
    archive = archives / f"{tool}.tar.gz"
    if not archive.is_file():
        raise ChangeError(f"there is no tool {tool}; the worker has: {_known(archives)}")
    try:
        draft.mkdir(parents=True)
        with tarfile.open(archive) as file:
            file.extractall(draft, filter="data")
        draft.rename(place)
    except (tarfile.TarError, OSError, EOFError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        if place.is_dir():  # another build was faster
            return place
        raise InfrastructureError(f"{archive} cannot be unpacked: {error}") from error
    return place


def _known(archives: Path) -> str:
    return ", ".join(sorted(path.name.removesuffix(".tar.gz") for path in archives.glob("*.tar.gz"))) or "none"
