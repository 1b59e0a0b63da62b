"""Limits that are learned: what a step cost in the past tells what it may cost.

A limit lies above everything that was seen, and above the median by the largest of three margins: six times the spread
(the median absolute deviation, scaled to a standard deviation), a share of the median, and a floor below which nobody
cares. So a counter that never moved has a margin as well, and one slow day does not pull the limit up: half of the
samples would have to be wrong.

How often will it be exceeded for no reason? Of n + 1 runs that are alike, the newest is the highest in one of n + 1
cases at most. That bound holds whatever the spread looks like; to promise less, one would have to assume how it does.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from attrs import frozen

from thcore.model import Limit, Measurement, Severity
from thplugins_dbmigration.dataset_file import WALL

MINIMUM = 20
"""Fewer samples teach nothing."""
SPREADS = 6.0
NORMAL = 1.4826
"""A median absolute deviation times this is the standard deviation of values that spread normally."""


@frozen
class Margin:
    """How far above the median a limit is at least: a share of it, and a floor in the counter's unit."""

    share: float
    floor: float


WORK = {
    "Innodb_rows_read": Margin(0.25, 10_000),
    "XInnodb_rows_changed": Margin(0.25, 1_000),
    "wal_bytes": Margin(0.25, 4 * 1024 * 1024),
    "Innodb_lsn_current": Margin(0.25, 4 * 1024 * 1024),
    "vm_steps": Margin(0.25, 1_000_000),
}
"""The work that is learned: counters that are the same on a busy machine and on an idle one."""
TIME = Margin(9.0, 60.0)
"""Ten times as long, and a minute longer: a safety limit, no judgement."""
_MARGINS: Mapping[str, Margin] = {WALL: TIME, **WORK}


def learned(samples: Sequence[Measurement], severity: Severity) -> tuple[Limit, ...]:
    """The limits that samples of a step under equal conditions teach; none where there are too few."""
    found = []
    for counter, margin in _MARGINS.items():
        values = [value for sample in samples if (value := _value(sample, counter)) is not None]
        if len(values) >= MINIMUM:
            found.append(_limit(counter, values, margin, severity))
    return tuple(found)


def _value(sample: Measurement, counter: str) -> float | None:
    return sample.wall_s if counter == WALL else sample.counters.get(counter)


def _limit(counter: str, values: Sequence[float], margin: Margin, severity: Severity) -> Limit:
    median = statistics.median(values)
    deviation = statistics.median(abs(value - median) for value in values)
    above = max(SPREADS * NORMAL * deviation, margin.share * median, margin.floor)
    maximum = max(median + above, *values)
    runs = len(values)
    origin = (
        f"learned from {runs} runs: median {median:,.6g}, deviation {deviation:,.6g}; "
        f"a false alarm in 1 of {runs + 1} runs at most"
    )
    return Limit(counter, maximum, origin, severity=severity, false_alarms=1 / (runs + 1))
