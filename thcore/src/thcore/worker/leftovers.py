"""What a worker that died has left behind, put away at the next start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from thcore.pipeline import workspace
from thcore.pipeline.build import WORKSPACE_VARIABLE
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.process import cgroups, group, kin
from thcore.process.belongings import working_for
from thcore.process.cgroups import Cgroup
from thcore.worker.journal import Entry, Journal
from thcore.worker.supervise import put_away

log = logging.getLogger(__name__)


def clear(journal: Journal, plans: Mapping[str, Plan], surroundings: Surroundings, work: Path) -> int:
    """End and clean up every attempt without an end; answers how many there were.

    Its processes are those in its control group, its child process with all below it, and whatever works for its
    workspace; never one that merely has the same number. Control groups and workspaces that the journal does not know
    are removed as well: the state directory, and with it ``work``, belongs to this worker alone.
    """
    count = 0
    for entry in journal.unfinished():
        log.warning(
            "build %s attempt %s was left behind by a worker that died; cleaning up", entry.build_id, entry.attempt
        )
        _end_processes(entry, surroundings.grace_s)
        put_away(entry, plans.get(entry.job), surroundings)
        journal.end(entry, "LOST")
        count += 1
    place = cgroups.place(surroundings.state)
    if place is not None:
        for unknown in place.groups():
            _end_group(unknown, surroundings.grace_s)
        place.remove()
    if work.is_dir():
        for path in work.iterdir():
            workspace.remove(path)
    return count


def _end_processes(entry: Entry, grace_s: float) -> None:
    if entry.cgroup is not None:
        _end_group(Cgroup(Path(entry.cgroup)), grace_s)
    mark = (WORKSPACE_VARIABLE, entry.workspace)
    found = working_for(Path(entry.workspace), mark, entry.process)
    if entry.process is not None and entry.process.alive():
        found.extend(kin.tree(entry.process.pid))
    group.end_these(found, grace_s)


def _end_group(cgroup: Cgroup, grace_s: float) -> None:
    if not cgroup.end(grace_s):
        log.warning("processes %s of %s cannot be ended", sorted(cgroup.processes()), cgroup.path)
