"""The files that steps are made of, in somebody else's checkout."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import field, frozen

_COMPILED = {".pyc", ".pyo"}
_MODULES = {".py", *_COMPILED}


@frozen
class Sources:
    """A checkout, whose files stay as they are while this is used.

    To a step belong its file; the files beside it, or in a directory beside it, that have its name with another suffix
    (``0003.sql`` for ``0003.py``) or whose name its text contains; and, when it is a package, all files of the package.
    Modules beside a step are steps of their own or imported by many, and do not count.
    """

    checkout: Path
    _beside: dict[Path, tuple[tuple[str, Path], ...]] = field(factory=dict)
    """By directory: the files in it and one directory below with their names, in order."""

    def has(self, path: str) -> bool:
        """Whether there is a step's file. ``path`` is relative to the checkout, as everywhere here."""
        # A checkout is somebody else's: opening what is no file may wait for ever.
        return os.path.isfile(self.checkout / path)  # noqa: PTH113 - Path's may raise

    def digest(self, path: str) -> str | None:
        """SHA-256 of a step's file and all that belongs to it; None when there is no such file."""
        if not self.has(path):
            return None
        try:
            text = (self.checkout / path).read_bytes()
            whole = hashlib.sha256(text)
            for file in self._belonging(self.checkout / path, text):
                with file.open("rb") as stream:
                    whole.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            return None
        return whole.hexdigest()

    def digests(self, paths: Iterable[str]) -> dict[str, str]:
        """The digests of those steps' files that there are, by path."""
        found = {path: self.digest(path) for path in sorted(paths)}
        return {path: text for path, text in found.items() if text is not None}

    def _belonging(self, step: Path, text: bytes) -> Iterator[Path]:
        place = step.parent
        if not self._inside(place):
            return
        if step.name == "__init__.py":
            files = (file for file in sorted(place.rglob("*")) if file.suffix not in _COMPILED)
            yield from (file for file in files if file != step and file.is_file() and self._inside(file))
            return
        if place not in self._beside:
            found = sorted({*place.glob("*"), *place.glob("*/*")})
            files = (f for f in found if f.suffix not in _MODULES and f.is_file() and self._inside(f))
            self._beside[place] = tuple((file.name, file) for file in files)
        stem, words = f"{step.stem}.", os.fsdecode(text)
        for name, file in self._beside[place]:
            if (name.startswith(stem) or name in words) and file != step:
                yield file

    def _inside(self, path: Path) -> bool:
        """Whether it is in the checkout, wherever links lead: one to a file of the kernel's would be read for ever."""
        return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.checkout))
