"""Places of packages beside an index, and what is there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def listed(place: str) -> list[str]:
    """A place, and with a directory of this machine each of its files by name, size and time of its last change.

    What a URL offers is not asked for, and a directory that is not there is an empty one: whoever installs from it says
    what is wrong.
    """
    address = urlsplit(place)
    if address.scheme not in {"", "file"}:
        return [place]
    directory = Path(unquote(address.path) if address.scheme else place)
    try:
        files = [(file.name, file.stat()) for file in sorted(directory.iterdir()) if file.is_file()]
    except OSError:
        return [place]
    return [place, *(f"{name} {found.st_size} {found.st_mtime_ns}" for name, found in files)]
