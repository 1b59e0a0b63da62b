"""What installed packages say about their own files: the RECORD of each."""

from __future__ import annotations

import base64
import contextlib
import csv
import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from attrs import frozen


@frozen
class Distribution:
    """A package installed in a virtual environment, by its ``.dist-info`` directory."""

    directory: Path

    @property
    def name(self) -> str:
        """Its name as in the directory's."""
        return self.directory.name.split("-")[0]

    def requires(self) -> tuple[str, ...]:
        """What its metadata say it needs, markers included."""
        return tuple(metadata.Distribution.at(self.directory).requires or ())

    @property
    def programs(self) -> frozenset[str]:
        """The names of the programs that installers write for its entry points; ``wsgi_scripts`` are pbr's."""
        points = metadata.Distribution.at(self.directory).entry_points
        groups = {"console_scripts", "gui_scripts", "wsgi_scripts"}
        return frozenset(point.name for point in points if point.group in groups)

    def files(self) -> Iterator[tuple[Path, str]]:
        """Its files, and for each its SHA-256 as hex digits, empty when that is not recorded.

        Raises OSError and ValueError for a record that cannot be read.
        """
        with (self.directory / "RECORD").open(encoding="utf-8", newline="") as file:
            for path, digest, _ in csv.reader(file):
                kind, _, encoded = digest.partition("=")
                known = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex() if kind == "sha256" else ""
                yield Path(os.path.normpath(self.directory.parent / path)), known


def site_packages(venv: Path) -> Path:
    """Where a virtual environment has its packages."""
    return next(venv.glob("lib/python*/site-packages"))


def distributions(venv: Path) -> list[Distribution]:
    """What is installed in a virtual environment."""
    return [Distribution(path) for path in site_packages(venv).glob("*.dist-info")]


def unrecorded(venv: Path) -> Iterator[Path]:
    """The installed files whose content no record tells: with most packages, only the record itself."""
    for distribution in distributions(venv):
        with contextlib.suppress(OSError, ValueError):
            yield from (path for path, digest in distribution.files() if not digest)


def damaged(venv: Path, contents: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the packages that are not what their records say, by the contents of the environment."""

    def whole(distribution: Distribution) -> bool:
        try:
            return all(
                not digest or contents.get(os.path.relpath(path, venv), "").endswith(digest)
                for path, digest in distribution.files()
            )
        except (OSError, ValueError):
            return False

    return tuple(sorted(found.name for found in distributions(venv) if not whole(found)))
