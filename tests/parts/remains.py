"""What a run has left on the machine, told by the directory that everything of it was in."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

_TEMPORARY = (".part", ".old")


def processes(run: Path) -> list[psutil.Process]:
    """Processes that name the run's directory: in their arguments, as their working directory, in their environment."""
    mark = str(run)
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            told = [*process.cmdline(), process.cwd(), *process.environ().values()]
            if any(mark in text for text in told):
                found.append(process)
    return found


def described(process: psutil.Process) -> str:
    """A process in a line."""
    with contextlib.suppress(psutil.Error, OSError):
        workspace = process.environ().get("THCORE_WORKSPACE", "none")
        return f"process {process.pid} {' '.join(process.cmdline())}, workspace {workspace}, of {process.ppid()}"
    return f"process {process.pid}"


def mounts(run: Path) -> list[str]:
    """File systems that are mounted inside."""
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [point for point in points if point.startswith(f"{run}/")]


def sockets(run: Path) -> list[str]:
    """Unix sockets: their files, and those that are open though their file is gone."""
    files = {str(path) for path in run.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)}
    bound = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return sorted(files | {name for name in bound if name.startswith(f"{run}/")})


def inside(*directories: Path) -> list[str]:
    """What is in directories that should be empty."""
    return [str(path) for directory in directories if directory.is_dir() for path in sorted(directory.iterdir())]


def half_made(root: Path) -> list[str]:
    """Files and directories that were on their way to their place."""
    return [str(path) for path in sorted(root.rglob("*")) if path.name.endswith(_TEMPORARY)]


def attempt_refs(mirrors: Path) -> list[str]:
    """Refs that attempts keep in the mirrors of ``git`` while they run."""
    return [str(path) for path in sorted(mirrors.glob("**/refs/thcore/**/*")) if path.is_file()]


def control_groups(journal: Path) -> list[str]:
    """Control groups that the attempts in a journal had, and the one that these were in."""
    texts = (path.read_text(encoding="utf-8") for path in journal.glob("*.json"))
    groups = {Path(group) for text in texts for attempt in json.loads(text)["attempts"] if (group := attempt["cgroup"])}
    return [str(path) for path in sorted(groups | {group.parent for group in groups}) if path.exists()]


def everything(run: Path, states: dict[str, Path], results: Path, temporary: Path) -> Iterator[str]:
    """All of the above for workers with these state directories."""
    yield from map(described, processes(run))
    yield from (f"mount {point}" for point in mounts(run))
    yield from (f"socket {path}" for path in sockets(run))
    for state in states.values():
        yield from inside(*(state / name for name in ("work", "spool", "history-pending")))
        yield from inside(state / "plugins" / "checkpoint" / "places")
        yield from half_made(state / "journal")
        yield from attempt_refs(state / "plugins")
        yield from control_groups(state / "journal")
    yield from inside(temporary)
    yield from half_made(results)


def clear(run: Path) -> None:
    """End and unmount what a failed run has left, so that the directory can be removed."""
    for process in processes(run):
        with contextlib.suppress(psutil.Error):
            process.kill()
    for point in mounts(run):
        subprocess.run(("umount", "--lazy", point), check=False)
