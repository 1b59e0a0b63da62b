"""Runs of statements on PostgreSQL that are told as one."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

from attrs import define, field

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import Gathering
from thplugins_dbmigration.engines.postgresql_counts import KEPT, LIBRARY, Count, Counts, total
from thplugins_dbmigration.engines.postgresql_log import LONGEST
from thplugins_dbmigration.engines.postgresql_runs import Run
from thplugins_dbmigration.engines.postgresql_scripts import split
from thplugins_dbmigration.engines.postgresql_text import likeness, parts, valueless
from thplugins_dbmigration.measure.postgresql import COUNTED, LOGGED

TELL_COUNTS = "SELECT pg_stat_force_next_flush()"
"""What the gate's observer says in a session of the project, when a step is over."""
NOT_EACH = "of so many statements in a step, not each one is noted"


@define
class Group:
    """Runs that are told as one, or one whose ``texts`` are several statements. ``counted`` are further runs that the
    server has counted, and the log does not tell."""

    first: Run
    texts: tuple[str, ...]
    wall_s: float = 0.0
    calls: int = 0
    temp_bytes: int = 0
    lock_wait_ms: float = 0.0
    numbers: collections.Counter[int] = field(factory=collections.Counter)
    counted: int = 0

    def add(self, run: Run) -> None:
        """Take a run to the others."""
        self.wall_s += run.wall_s
        self.calls += run.calls
        self.temp_bytes += run.temp_bytes
        self.lock_wait_ms += run.lock_wait_ms
        if run.query:
            self.numbers[run.query] += run.calls

    def count(self, number: int, calls: int, count: Count) -> None:
        """Take so many runs that are only counted, of those that the server counts under a number."""
        self.counted += calls
        self.calls += calls
        self.wall_s = max(self.wall_s, count.wall_s)
        self.numbers[number] += calls

    def end(self, number: int, count: Count) -> None:
        """Take what the server has counted of the only run, of which the log does not tell the end."""
        self.wall_s = count.wall_s
        self.numbers[number] = 1
        self.first.timed = True

    def statements(self, since: float, counts: Counts, calls: Mapping[int, int]) -> tuple[Statement, ...]:
        """What is told of them. ``since`` is when the step began, ``calls`` are all of the step, by number."""
        run = self.first
        reason = self._reason(counts, calls)
        counters = dict.fromkeys(COUNTED) if reason else total(counts.all[number] for number in self.numbers)
        counters |= dict(zip(LOGGED, (self.temp_bytes, round(self.lock_wait_ms)), strict=True))
        unknown = dict.fromkeys(COUNTED, reason) if reason else {}
        if self.counted:
            counters |= dict.fromkeys(LOGGED)
            unknown |= dict.fromkeys(LOGGED, NOT_EACH)
        if run.cut:
            unknown["text"] = f"the first {LONGEST} bytes of it are kept"
        if not run.ended:
            unknown["wall_s"] = "it had not ended when the step had"
        elif not run.timed:
            unknown["wall_s"] = f"{NOT_EACH} with its beginning and its end"
        began_s = max(0.0, run.began - since)
        whole = Statement(run.text, began_s, self.wall_s, max(1, self.calls), run.error, counters, unknown)
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
class Groups:
    """Puts runs together as they come, so that those of a long loop need no room. ``calls`` are those of
    statements that came alone, by the server's number."""

    calls: collections.Counter[int] = field(factory=collections.Counter)
    _gathering: Gathering[Group] = field(factory=Gathering)

    @property
    def all(self) -> Sequence[Group]:
        """In the order in which their first runs came."""
        return self._gathering.all

    def take(self, run: Run) -> None:
        """Add a run to those that it is like, or begin with it."""
        if run.text == TELL_COUNTS:
            return
        texts = parts(run.text) if ";" in run.text else (run.text,)
        if run.query and len(texts) == 1:
            self.calls[run.query] += run.calls
        alike = _likeness(run) if len(texts) == 1 else ""
        self._gathering.group(alike, lambda: Group(run, texts)).add(run)


def _likeness(run: Run) -> str:
    if not run.ended:
        return ""
    if run.error:
        return f"{run.error[:5]} {valueless(run.text)}"
    return likeness(run.text, run.query)
