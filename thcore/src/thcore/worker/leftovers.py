"""What a worker that died has left behind, put away at the next start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import psutil

from thcore.pipeline import workspace
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.process import group
from thcore.worker.journal import Entry, Journal
from thcore.worker.supervise import put_away

log = logging.getLogger(__name__)


def clear(journal: Journal, plans: Mapping[str, Plan], surroundings: Surroundings, work: Path) -> int:
    """End and clean up every attempt without an end; answers how many there were.

    A process is ended only when pid and start time are those of the journal: pids are used again. Workspaces that the
    journal does not know are removed as well; ``work`` belongs to this worker alone.
    """
    count = 0
    for entry in journal.unfinished():
        log.warning(
            "build %s attempt %s was left behind by a worker that died; cleaning up", entry.build_id, entry.attempt
        )
        if _is_alive(entry):
            group.end_session(entry.pid, surroundings.grace_s)
        put_away(entry, plans.get(entry.job), surroundings)
        journal.end(entry, "LOST")
        count += 1
    if work.is_dir():
        for path in work.iterdir():
            workspace.remove(path)
    return count


def _is_alive(entry: Entry) -> bool:
    try:
        return abs(psutil.Process(entry.pid).create_time() - entry.pid_started) < 0.1
    except psutil.NoSuchProcess:
        return False
