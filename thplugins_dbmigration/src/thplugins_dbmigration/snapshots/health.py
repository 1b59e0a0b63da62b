"""What ``thcore doctor`` says of cloning on this machine."""

from __future__ import annotations

from pathlib import Path

from thcore.model import Finding, Severity
from thplugins_dbmigration.snapshots import ways
from thplugins_dbmigration.snapshots.ways import Way

_MOVE = "Put `directories: state` on XFS (made with reflink=1, its default) or Btrfs: a clone of any size then takes "
_MOVE += "milliseconds. Durations measured on the old file system cannot be compared with the new one's."


def clones(state: Path, work: Path) -> Finding:
    """How snapshots below the plugin's ``state`` are cloned into workspaces below ``work``. The way is tried out on the
    nearest directories that are there already."""
    source, target = _nearest(state), _nearest(work)
    try:
        way = ways.between(source, target)
    except OSError as error:
        reason = f"{error.filename or source}: {error.strerror or error}"
        return Finding(
            "snapshots-cloned-by",
            Severity.WARNING,
            f"How snapshots are cloned cannot be tried out: {reason}",
            hint="Call thcore doctor as the account that the worker runs as.",
        )
    one, other = ways.file_system(source), ways.file_system(target)
    if source.stat().st_dev != target.stat().st_dev:
        told = f"Snapshots are on {one or source}, workspaces on {other or target}: clones are copies"
        hint = "Put `directories: work` on the file system of `directories: state`, where blocks can be shared."
        return Finding("snapshots-cloned-by", Severity.INFO, told, hint=hint)
    where = f" on {one}" if one else ""
    if way is Way.REFLINK:
        return Finding("snapshots-cloned-by", Severity.INFO, f"Snapshots are cloned by sharing blocks (reflink){where}")
    return Finding("snapshots-cloned-by", Severity.INFO, f"Snapshots are cloned by plain copies{where}", hint=_MOVE)


def _nearest(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.is_dir())
