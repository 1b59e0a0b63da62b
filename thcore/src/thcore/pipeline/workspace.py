"""The directory of one attempt: made for it alone, removed after it."""

from __future__ import annotations

import logging
import shutil
import tempfile
from pathlib import Path

from thcore.errors import InfrastructureError
from thcore.hooks import Workspace, scatter
from thcore.process import mounts

log = logging.getLogger(__name__)


def create(work: Path, build_id: str, attempt: int) -> Workspace:
    """Make a new, empty workspace below ``work``. No two attempts share one, whatever their ids.

    The build's id is checked where it arrives; here it only makes the name recognisable. Raises InfrastructureError
    (``workspace-not-made``).
    """
    label = "".join(character if character.isalnum() else "_" for character in build_id)[:40]
    try:
        work.mkdir(parents=True, exist_ok=True)
        scatter(work)
        root = Path(tempfile.mkdtemp(prefix=f"{label}-{attempt}-", dir=work))
        # Servers of a build may run as another account and must be able to pass through.
        root.chmod(0o711)
        workspace = Workspace(root)
        workspace.artifacts.mkdir()
        workspace.temporary.mkdir()
    except OSError as error:
        raise InfrastructureError(
            f"cannot make a workspace below {work}: {error.strerror}", code="workspace-not-made"
        ) from error
    return workspace


def remove(root: Path) -> bool:
    """Remove a workspace, also when a build took away its own write permission. Answers whether it is gone.

    What is mounted in there is unmounted before. While something cannot be, nothing is removed: a mount may show files
    that are not the build's.
    """
    left = mounts.clear(root)
    if left:
        log.warning("%s stays, because %s is mounted in there", root, ", ".join(map(str, left)))
        return False

    def make_writable(_function: object, name: str, _error: object) -> None:
        path = Path(name)
        try:
            if path != root:  # others pass through the directory that the workspace is in
                path.parent.chmod(0o700)
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        except OSError:
            return

    shutil.rmtree(root, onerror=make_writable)
    return not root.exists()
