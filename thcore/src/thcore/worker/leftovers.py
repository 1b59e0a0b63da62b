"""What a worker that died has left behind, put away at the next start."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

import psutil

from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.process import group
from thcore.worker.journal import Entry, Journal
from thcore.worker.supervise import put_away

log = logging.getLogger(__name__)

_SAME_START_S = 0.1
"""Within how many seconds two start times of a pid are the same process's; the kernel counts in hundredths."""


def clear(journal: Journal, plans: Mapping[str, Plan], surroundings: Surroundings, work: Path) -> int:
    """End and clean up every attempt without an end; answers how many there were.

    Its processes are recognised by the name of the workspace in their environment, never by a pid, which may be
    another process's by now. Workspaces that the journal does not know are removed as well; ``work`` belongs to this
    worker alone.
    """
    count = 0
    for entry in journal.unfinished():
        log.warning(
            "build %s attempt %s was left behind by a worker that died; cleaning up", entry.build_id, entry.attempt
        )
        group.end_these(_processes(entry), surroundings.grace_s)
        put_away(entry, plans.get(entry.job), surroundings)
        journal.end(entry, "LOST")
        count += 1
    if work.is_dir():
        for path in work.iterdir():
            workspace.remove(path)
    return count


def _processes(entry: Entry) -> list[psutil.Process]:
    """Everything that runs on behalf of an attempt: its programs, and its child process by pid and start time."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            same_child = process.pid == entry.pid and abs(process.create_time() - entry.pid_started) < _SAME_START_S
            if same_child or process.environ().get(WORKSPACE_VARIABLE) == entry.workspace:
                found.append(process)
    return found
