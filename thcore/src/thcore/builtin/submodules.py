"""Submodules of a work tree, checked out from addresses that the change may use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from thcore.builtin.git_process import Address, Git, GitCallError
from thcore.errors import ChangeError, InfrastructureError

_DEPTH_LIMIT = 10
_REMOTE = re.compile(r"(?:https?|git|ssh)://[^\x00-\x20\x7f]+|[A-Za-z0-9_.]+@[A-Za-z0-9.-]+:[^\x00-\x20\x7f:]+")
_GONE = re.compile(r"did not contain|not our ref|unadvertised object|no url found|is not a commit", re.IGNORECASE)


def check_out(git: Git, tree: Path, home: Address, boundary: str | None, depth: int = 0) -> None:
    """Check out the submodules of ``tree``, and theirs.

    The change says where they are. Only network addresses and ones relative to ``home`` are followed; with
    ``boundary``, a directory, also repositories below it. Raises ChangeError (``submodule-refused``,
    ``submodule-missing``) and InfrastructureError (``fetch-failed``).
    """
    if not (tree / ".gitmodules").exists():
        return
    if depth == _DEPTH_LIMIT:
        raise ChangeError(f"submodules are nested deeper than {_DEPTH_LIMIT}", code="submodule-refused")
    for name, values in _declared(git, tree).items():
        path, url = values.get("path"), values.get("url")
        if not path or not url or not _is_gitlink(git, tree, path):
            # Declared, but not part of this commit: git does not look at it either.
            continue
        if not _allowed(url, home, boundary):
            raise ChangeError(f"submodule {name!r} is at {url!r}, which is not allowed", code="submodule-refused")
        try:
            git("submodule", "--quiet", "update", "--init", "--checkout", "--force", "--", path, directory=tree)
            address = Address.parse(git("config", "--get", "remote.origin.url", directory=tree / path).strip())
        except GitCallError as error:
            if _GONE.search(error.text):
                raise ChangeError(
                    f"submodule {name!r} has no such commit: {error.text}", code="submodule-missing"
                ) from error
            raise InfrastructureError(f"submodule {name!r}: {error.text}", code="fetch-failed") from error
        check_out(git, tree / path, address, boundary, depth + 1)


def _declared(git: Git, tree: Path) -> dict[str, dict[str, str]]:
    """What .gitmodules says, from the commit itself, so that a symbolic link leads nowhere."""
    try:
        listing = git(
            "config", "--blob", "HEAD:.gitmodules", "--null", "--get-regexp", r"^submodule\..*\.(path|url)$",
            directory=tree, quiet=True,
        )  # fmt: skip
    except GitCallError as error:
        if error.text.startswith("git config ended with status 1"):
            return {}
        raise ChangeError(f".gitmodules cannot be read: {error.text}", code="submodule-refused") from error
    found: dict[str, dict[str, str]] = {}
    for entry in filter(None, listing.split("\0")):
        key, _, value = entry.partition("\n")
        name, _, what = key.removeprefix("submodule.").rpartition(".")
        found.setdefault(name, {})[what] = value
    return found


def _is_gitlink(git: Git, tree: Path, path: str) -> bool:
    return git("ls-files", "--stage", "--", f":(literal){path}", directory=tree, quiet=True).startswith("160000 ")


def _allowed(url: str, home: Address, boundary: str | None) -> bool:
    if url.startswith(("./", "../")):
        if not home.local:
            return True
        url = os.path.join(home.url.removeprefix("file://"), url)  # noqa: PTH118 - text, resolved as git does
    if _REMOTE.fullmatch(url):
        return True
    if boundary is None or not Address.parse(url).local:
        return False
    root = Path(boundary.removeprefix("file://")).resolve()
    return Path(os.path.normpath(url.removeprefix("file://"))).resolve().is_relative_to(root)
