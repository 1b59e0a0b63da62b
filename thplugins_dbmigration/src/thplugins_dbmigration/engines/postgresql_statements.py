"""The statements of a step on PostgreSQL: from its log, with what the server has counted for each."""

from __future__ import annotations

import collections
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field, frozen

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import NEAR, Event, folded
from thplugins_dbmigration.engines.postgresql_counts import KEPT, LIBRARY, Counts, total
from thplugins_dbmigration.engines.postgresql_log import LONGEST, records
from thplugins_dbmigration.engines.postgresql_runs import Run, runs
from thplugins_dbmigration.engines.postgresql_scripts import split
from thplugins_dbmigration.engines.postgresql_text import likeness, parts, valueless
from thplugins_dbmigration.measure.postgresql import COUNTED, LOGGED

TELL_COUNTS = "SELECT pg_stat_force_next_flush()"
"""What the gate's observer says in a session of the project, when a step is over."""


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


def noted(log: Path, mark: Mark, counts: Counts) -> tuple[Statement, ...]:
    """The statements since the mark; ``counts`` are what is counted until now."""
    groups = _Groups()
    with log.open("rb") as stream:
        stream.seek(mark.length)
        for run in runs(records(stream), time.time()):
            groups.take(run)
    fresh = counts.since(mark.counts)
    told = (each for group in groups.all for each in group.statements(mark, fresh, groups.calls))
    return folded(Event(statement, "") for statement in told)


@define
class _Group:
    """Runs that are told as one, or one whose ``texts`` are several statements."""

    first: Run
    texts: tuple[str, ...]
    wall_s: float = 0.0
    calls: int = 0
    temp_bytes: int = 0
    lock_wait_ms: float = 0.0
    numbers: collections.Counter[int] = field(factory=collections.Counter)

    def add(self, run: Run) -> None:
        self.wall_s += run.wall_s
        self.calls += run.calls
        self.temp_bytes += run.temp_bytes
        self.lock_wait_ms += run.lock_wait_ms
        if run.query:
            self.numbers[run.query] += run.calls

    def statements(self, mark: Mark, counts: Counts, calls: Mapping[int, int]) -> tuple[Statement, ...]:
        """What is told of them. ``calls`` are all of the step, by number."""
        run = self.first
        reason = self._reason(counts, calls)
        counters = dict.fromkeys(COUNTED) if reason else total(counts.all[number] for number in self.numbers)
        logged = dict(zip(LOGGED, (self.temp_bytes, round(self.lock_wait_ms)), strict=True))
        unknown = dict.fromkeys(COUNTED, reason) if reason else {}
        if run.cut:
            unknown["text"] = f"the first {LONGEST} bytes of it are kept"
        if not run.ended:
            unknown["wall_s"] = "it had not ended when the step had"
        began_s = max(0.0, run.began - mark.time)
        whole = Statement(
            run.text, began_s, self.wall_s, max(1, self.calls), run.error, {**counters, **logged}, unknown
        )
        if len(self.texts) == 1 or not run.ended or run.cut or counts.reason:
            return (whole,)
        return split(whole, self.texts, counts, calls) or (whole,)

    def _reason(self, counts: Counts, calls: Mapping[int, int]) -> str:
        """Why the server's counts are of no use here, empty where they are."""
        there = self.numbers.keys() <= counts.all.keys()
        reasons = {
            counts.reason: bool(counts.reason),
            "the server keeps no counts of a statement that fails": bool(self.first.error),
            "the server counts a statement when it has ended": not self.first.ended,
            "several statements in one query: the log tells them as one, the server counts each": len(self.texts) > 1,
            f"the server keeps counts of {KEPT} statements, and there were more": not there and counts.lost > 0,
            f"{LIBRARY} does not count it": not self.numbers or not there,
            "it was run elsewhere in this step as well, and the server counts all runs together": any(
                calls[number] != mine for number, mine in self.numbers.items()
            ),
            "the server has counted other runs than the log tells": there
            and any(counts.all[number].calls != mine for number, mine in self.numbers.items()),
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


@define
class _Groups:
    """Puts runs together as they come, so that those of a long loop need no room. ``calls`` are those of
    statements that came alone, by the server's number."""

    all: list[_Group] = field(factory=list)
    calls: collections.Counter[int] = field(factory=collections.Counter)
    _near: dict[str, _Group] = field(factory=dict)

    def take(self, run: Run) -> None:
        """Add a run to those that it is like, or begin with it."""
        if run.text == TELL_COUNTS:
            return
        texts = parts(run.text) if ";" in run.text else (run.text,)
        if run.query and len(texts) == 1:
            self.calls[run.query] += run.calls
        alike = _likeness(run) if len(texts) == 1 else ""
        group = self._near.pop(alike, None) if alike else None
        if group is None:
            group = _Group(run, texts)
            self.all.append(group)
        group.add(run)
        if not alike:
            self._near.clear()  # what comes after it is not what came before it
            return
        self._near[alike] = group
        if len(self._near) > NEAR:
            del self._near[next(iter(self._near))]


def _likeness(run: Run) -> str:
    if not run.ended:
        return ""
    if run.error:
        return f"{run.error[:5]} {valueless(run.text)}"
    return likeness(run.text, run.query)
