"""The files that a build leaves as evidence, written past whatever the change's own programs put in their place.

Those programs can write to the same directories: a link in there must not lead a write elsewhere, nor a directory
prevent it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Workspace
from thcore.model import Artifact
from thcore.process.interrupt import Interrupt


class EvidenceTime(Interrupt):
    """The time for making evidence, which begins when the build's own is over. Who cancels the build cancels this."""

    def __init__(self, build: Interrupt, deadline: float) -> None:
        super().__init__(deadline)
        self._build = build

    @property
    def cancelled(self) -> str | None:
        """Why the build was cancelled, or None."""
        return self._build.cancelled

    def check(self) -> None:
        """Raise CancelledError when the build was cancelled, DeadlineError when the time for evidence has passed."""
        if self._build.cancelled is not None:
            raise CancelledError(self._build.cancelled)
        super().check()

    def fileno(self) -> int:
        """The descriptor that tells that the build is cancelled."""
        return self._build.fileno()


def files(artifacts: Path) -> tuple[str, ...]:
    """Names of all files in the evidence, relative and sorted. Links are not followed."""
    return tuple(
        sorted(
            path.relative_to(artifacts).as_posix()
            for path in artifacts.rglob("*")
            if path.is_file() and not path.is_symlink()
        )
    )


def write(workspace: Workspace, name: str, text: str) -> None:
    """Write a file of the evidence, whole or not at all. Raises OSError."""
    path = workspace.artifacts / name
    handle, temporary = tempfile.mkstemp(dir=workspace.root)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def collect(workspace: Workspace, artifact: Artifact) -> None:
    """Bring an artifact from elsewhere in the workspace into the evidence. A link below it stays a link, and special
    files stay behind.

    Raises InfrastructureError (``artifact-refused``) when it is not inside the workspace, or would not stay inside the
    evidence.
    """
    name = PurePosixPath(artifact.name)
    source, target = artifact.path.resolve(), workspace.artifacts / name
    root, artifacts = workspace.root.resolve(), workspace.artifacts.resolve()
    if not source.is_relative_to(root):
        raise InfrastructureError(f"artifact {artifact.name!r} is not inside the workspace", code="artifact-refused")
    if source.is_relative_to(artifacts):
        return
    inside = target.resolve().is_relative_to(artifacts) and target != workspace.artifacts
    if name.is_absolute() or ".." in name.parts or not inside:
        raise InfrastructureError(f"artifact {artifact.name!r} has no name of a file", code="artifact-refused")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        for link in [path for path in target.rglob("*") if path.is_symlink()]:
            link.unlink()
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
    else:
        _copy(str(source), str(target))


def _copy(source: str, target: str) -> None:
    if Path(source).is_file():
        shutil.copy2(source, target, follow_symlinks=False)
