"""Finding the processes that work for a directory, when nobody is left to ask whose they are."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from thcore.process.identity import Identity, boot_id, record

_PLACES = ("cwd", "root", "exe")


def working_for(root: Path, mark: tuple[str, str], since: Identity | None) -> list[psutil.Process]:
    """The processes that work for the directory ``root``, which nobody but an attempt's programs has business in.

    Those are: whatever has the variable ``mark`` (name and value) in its environment, and whatever runs in ``root``, or
    a program from there. Spared is one that somebody may have started to look at what is in there: it has a terminal,
    or was there before the attempt's process ``since``, which is not of an earlier boot. A process that merely has a
    file of the directory open is not looked for, since what ships or backs up logs does that.
    """
    place = root.parent.resolve() / root.name
    return [
        process
        for process in psutil.process_iter()
        if _marked(process, mark) or (_since(process.pid, since) and _inside(process.pid, place))
    ]


def _marked(process: psutil.Process, mark: tuple[str, str]) -> bool:
    name, value = mark
    try:
        return bool(process.environ().get(name) == value)
    except (psutil.Error, OSError):
        return False


def _since(pid: int, since: Identity | None) -> bool:
    known = record(pid)
    if known is None or known.terminal or since is None or since.boot != boot_id():
        return False
    return known.started >= since.ticks


def _inside(pid: int, root: Path) -> bool:
    for place in _PLACES:
        with contextlib.suppress(OSError):  # one that is gone, or that we may not look at
            if Path(f"/proc/{pid}/{place}").readlink().is_relative_to(root):
                return True
    return False
