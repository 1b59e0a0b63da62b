"""An image: a directory with the files of an operating system, as ``podman export`` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from thcore.errors import InfrastructureError

_OF_THE_KERNEL = frozenset({"dev", "proc", "sys", "tmp"})
"""What every container has of its own."""


def name(image: Path) -> str:
    """What it calls itself. Raises InfrastructureError when it is none."""
    if not (image / "usr" / "bin").is_dir():
        raise InfrastructureError(f"{image} is no image: it has no usr/bin", code="container-image")
    for line in _read(image / "etc" / "os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip("\"'")
    return image.name


def mounts(image: Path, workspace: Path) -> Iterator[str]:
    """Arguments of ``bwrap`` that show the image, read-only, with room for the workspace at its own path.

    Nothing can be mounted on a place that an image does not have. So the directories above the workspace are new ones,
    and what the image has beside the way is shown in them.
    """
    above = Path("/")
    for part in workspace.parts[1:]:
        for entry in _entries(image / above.relative_to("/")):
            if entry.name != part and not (above == Path("/") and entry.name in _OF_THE_KERNEL):
                yield from _shown(entry, above / entry.name)
        above /= part


def _shown(entry: Path, place: Path) -> Iterator[str]:
    if entry.is_symlink():
        yield from ("--symlink", str(entry.readlink()), str(place))
    else:
        yield from ("--ro-bind", str(entry), str(place))


def _entries(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() and not directory.is_symlink() else []


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
