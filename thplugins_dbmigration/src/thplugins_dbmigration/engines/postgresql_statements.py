"""The statements of a step on PostgreSQL: from its log, with what the server has counted for each."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from attrs import frozen

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import in_order
from thplugins_dbmigration.engines.postgresql_counts import Counts
from thplugins_dbmigration.engines.postgresql_further import further
from thplugins_dbmigration.engines.postgresql_groups import TELL_COUNTS, Groups
from thplugins_dbmigration.engines.postgresql_log import records
from thplugins_dbmigration.engines.postgresql_noting import WHOLE, Extent
from thplugins_dbmigration.engines.postgresql_runs import runs

__all__ = ["TELL_COUNTS", "Mark", "noted"]


@frozen
class Mark:
    """A moment: seconds since the epoch, the length of the log, and what was counted until then."""

    time: float
    length: int
    counts: Counts

    @classmethod
    def set(cls, log: Path, counts: Counts) -> Mark:
        """Now."""
        return cls(time.time(), log.stat().st_size, counts)


def noted(
    log: Path, mark: Mark, counts: Counts, extent: Extent = WHOLE, active: Collection[str] = ()
) -> tuple[Statement, ...]:
    """The statements since the mark; ``counts`` are what is counted until now, ``extent`` is how much was noted, and
    ``active`` are the sessions that are at work now, as the log calls them."""
    groups = Groups()
    with log.open("rb") as stream:
        stream.seek(mark.length)
        for run in runs(records(stream), time.time(), extent.brief, active):
            groups.take(run)
    fresh = counts.since(mark.counts)
    more = further(groups, fresh, extent, mark.time)
    told = (each for group in groups.all for each in group.statements(mark.time, fresh, groups.calls))
    return in_order((*told, *more))
