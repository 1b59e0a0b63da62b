"""Which tools a project asks for, in its file ``.tools``: a name and a version a line, such as ``hugo 0.140.2``."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import frozen
from thcore.errors import ChangeError

FILE = ".tools"
_LINE = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,40})\s+(?P<version>[0-9][A-Za-z0-9.+-]{0,40})")
_LARGEST = 64 * 1024


@frozen(order=True)
class Tool:
    """One tool in one version."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}-{self.version}"


def read(checkout: Path) -> tuple[Tool, ...]:
    """The tools of a checkout; none when it has no such file. Raises ChangeError for what cannot be read."""
    path = checkout / FILE
    if not path.exists():
        return ()
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise ChangeError(f"{FILE} is no plain file of a reasonable size")
    tools = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ChangeError(f"{FILE}:{number}: {text!r} is no tool; write a name and a version: hugo 0.140.2")
        tools.append(Tool(match["name"], match["version"]))
    return tuple(sorted(tools))
