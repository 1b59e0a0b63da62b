"""A project installed in place: built by its backend once, and laid down for every build that declares the same.

::

    projects/DIGEST.json        what the backend's answer put into the virtual environment, as text
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.builtin.declaration import Version, declaration
from thcore.builtin.uv_process import Uv
from thcore.builtin.wheel_record import Distribution, distributions
from thcore.hooks import Build
from thcore.model import Command

KEPT = 200
"""How many answers are kept; each takes some kilobytes."""

_FILE_LIMIT = 1024 * 1024
_PLAIN = re.compile(r"[\w./@+~-]+")
_BY_BUILDS = re.compile(r"(?:^|/)(?:[^/]+\.(?:egg|dist)-info|build|__pycache__)(?:/|$)|^(?:AUTHORS|ChangeLog)$")
_SEMANTIC_VERSION = "sem-ver:"


@frozen
class ProjectInstaller:
    """Installs the project of ``checkout`` into the virtual environment ``venv``, without what it depends on."""

    directory: Path
    build: Build
    uv: Uv
    checkout: Path
    venv: Path
    python: str

    def install(self, *, editable: bool) -> Distribution | None:
        """Install it. Answers what was installed, or None when that cannot be told. Raises as ``Uv`` does."""
        kept = self._kept() if editable else None
        if kept is not None and (laid := self._lay(kept)) is not None:
            self.build.log("the project is installed as before: nothing that decides how has changed", source="venv")
            return laid
        earlier = {found.directory for found in distributions(self.venv)}
        tree = _tree(self.checkout) if kept is not None else {}
        target = ("--editable", str(self.checkout)) if editable else (str(self.checkout),)
        self.uv.install(self.venv, "--no-deps", *target, cwd=self.build.workspace.temporary)
        added = [found for found in distributions(self.venv) if found.directory not in earlier]
        if len(added) != 1:
            return None
        # A build that has written into the checkout (extension modules, a file with the version) must do so each time.
        if kept is not None and tree == _tree(self.checkout):
            self._keep(added[0], kept, tree)
        return added[0]

    def _kept(self) -> Path | None:
        """Where the answer for this checkout is kept, or belongs; None when it may not be kept."""
        decides = declaration(self.checkout)
        places = (self.checkout, self.venv)
        if decides is None or not all(_PLAIN.fullmatch(str(path)) and path == path.resolve() for path in places):
            return None
        history = self._history(decides.version)
        if history is None:
            return None
        machine = [sys.platform, platform.machine()]
        sources = [self.uv.exclude_newer, self.uv.find_links]
        parts = [decides.digest, history, self.python, metadata.version("uv"), machine, sources]
        return self.directory / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.json"

    def _history(self, version: Version) -> str | None:
        """What the version is made from; None when that cannot be told."""
        if version is Version.DECLARED:
            return ""
        # A source archive has no history, and its version in PKG-INFO.
        if not (self.checkout / ".git").exists():
            return "" if (self.checkout / "PKG-INFO").is_file() else None
        described = self._git("describe", "--tags", "--long")
        if described is None:
            return None
        tag = described.strip().rsplit("-", 2)[0]
        words = self._git("log", f"refs/tags/{tag}..HEAD", "-i", f"--grep={_SEMANTIC_VERSION}", "--format=%B")
        if words is None:
            return None
        wishes = [line for line in words.splitlines() if line.lower().startswith(_SEMANTIC_VERSION)]
        return json.dumps([described if version is Version.COMMIT else described.rsplit("-", 1)[0], wishes])

    def _git(self, *words: str) -> str | None:
        result = self.build.run(Command(("git", *words), cwd=self.checkout, source="git", capture=True))
        return result.stdout.decode("utf-8", "replace") if result.ok else None

    def _lay(self, kept: Path) -> Distribution | None:
        try:
            answer: dict[str, Any] = json.loads(kept.read_text("utf-8"))
            digest = answer.pop("digest")
            if digest != _digest(answer) or answer["copied"] != self._look(answer["copied"]):
                return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        for name, text in answer["files"].items():
            target = self.venv / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self._moved(text, answer), "utf-8")
            if target.parent == self.venv / "bin":
                target.chmod(0o755)
        with contextlib.suppress(FileNotFoundError):  # another build may have found it the oldest just now
            os.utime(kept)
        return Distribution(self.venv / answer["distribution"])

    def _moved(self, text: str, answer: dict[str, Any]) -> str:
        return text.replace(answer["checkout"], str(self.checkout)).replace(answer["venv"], str(self.venv))

    def _keep(self, distribution: Distribution, kept: Path, tree: Iterable[str]) -> None:
        """Keep what was installed, if all of it is short text in the virtual environment, and either written for what
        is declared or copied from files of the checkout, of which ``tree`` are the names."""
        files: dict[str, str] = {}
        copied: list[str] = []
        try:
            for path, _ in distribution.files():
                if not path.is_relative_to(self.venv) or path.stat().st_size > _FILE_LIMIT:
                    return
                files[str(path.relative_to(self.venv))] = path.read_text("utf-8")
                if not self._is_written(distribution, path):
                    sources = [name for name in tree if self._is_copy(path, self.checkout / name)]
                    if not sources:
                        return
                    copied.extend(sources)
            looks = self._look(copied)
        except (OSError, ValueError):
            return
        where = str(distribution.directory.relative_to(self.venv))
        # Paths have changed where it is laid down, so that the record's digests would not hold.
        files[f"{where}/RECORD"] = "".join(
            f"{os.path.relpath(self.venv / name, distribution.directory.parent)},,\n" for name in files
        )
        answer = {"checkout": str(self.checkout), "venv": str(self.venv), "distribution": where, "files": files}
        answer["copied"] = looks
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            written = kept.with_suffix(f".{secrets.token_hex(4)}")
            written.write_text(json.dumps({**answer, "digest": _digest(answer)}), "utf-8")
            written.replace(kept)
            self._trim()
        except OSError as error:  # this build has what it needs
            self.build.log(f"how the project is installed cannot be kept for others: {error}", source="venv")

    def _is_written(self, distribution: Distribution, path: Path) -> bool:
        """Whether a file is made by who builds or installs, out of what is declared."""
        if path.is_relative_to(distribution.directory):
            return True
        if path.parent == self.venv / "bin":
            return path.name in distribution.programs
        paths_only = path.suffix == ".pth" and "import" not in path.read_text("utf-8")
        return path.parent == distribution.directory.parent and (path.name.startswith("__editable__") or paths_only)

    @staticmethod
    def _is_copy(path: Path, source: Path) -> bool:
        # Installers write another first line, which names the interpreter.
        def rest(file: Path) -> bytes:
            return file.read_bytes().partition(b"\n")[2]

        return path.name == source.name and source.is_file() and rest(path) == rest(source)

    def _look(self, names: Iterable[str]) -> dict[str, str]:
        """What files of the checkout have in them, each with what else is in its directory. Raises OSError."""

        def look(path: Path) -> str:
            beside = "\0".join(sorted(os.listdir(path.parent)))  # noqa: PTH208
            return hashlib.sha256(beside.encode("utf-8", "surrogateescape") + b"\0\0" + path.read_bytes()).hexdigest()

        return {name: look(self.checkout / name) for name in names}

    def _trim(self) -> None:
        def last_use(path: Path) -> float:
            try:
                return path.stat().st_mtime
            except FileNotFoundError:
                return 0.0

        for path in sorted(self.directory.iterdir(), key=last_use)[:-KEPT]:
            path.unlink(missing_ok=True)


def _digest(answer: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file of a checkout, without what builds of Python packages leave everywhere."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            status = path.lstat()
            found[str(path.relative_to(root))] = (status.st_size, status.st_mtime_ns)
    return {name: what for name, what in found.items() if not _BY_BUILDS.search(name) and not name.startswith(".git/")}
