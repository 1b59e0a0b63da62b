"""What a step that the change adds is watched with, beside the counters: statements, disk, sizes of tables, locks and
waits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from thcore.model import Measurement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure import sizes
from thplugins_dbmigration.measure.canary import Canary, attribute
from thplugins_dbmigration.measure.counters import WITHOUT_FAILED
from thplugins_dbmigration.measure.locks import Locks, taken
from thplugins_dbmigration.measure.sampling import Sampler
from thplugins_dbmigration.measure.tenures import ROWS_LOCKED

NO_CANARY = "the job's option canary is off"
"""Why nothing is known of waits then."""


@define
class Instruments:
    """The instruments around one step. They are set up before the counters are read and read after them, so that
    nothing of theirs is counted for the step."""

    server: Server
    address: Address
    sizes: Mapping[str, TableSize]
    """Of all tables before the step."""
    _mark: object
    _marked_s: float
    """When it was set, on the clock of ``time.monotonic``."""
    _sampler: Sampler
    _canary: Canary
    _locks: Locks
    after: Mapping[str, TableSize] = field(factory=dict)
    """Of all tables after it, once that is known."""

    @classmethod
    def start(cls, server: Server, address: Address, *, canary: bool, first: Sequence[str] = ()) -> Instruments:
        """Set them up, with a canary, which looks after the tables ``first`` before all others, or without. Raises
        InfrastructureError when the server does not answer."""
        with contextlib.ExitStack() as started:
            sampler = Sampler.start(server.storage)
            started.callback(sampler.stop)
            found = server.sizes(address)
            tables = sizes.by_importance(found, first)
            beside = Canary.start(server, address, tables) if canary else Canary(NO_CANARY)
            started.callback(beside.leave)
            locks = Locks.start(server, address)
            started.callback(locks.leave)
            mark, marked_s = server.mark(address), time.monotonic()
            started.pop_all()
        return cls(server, address, found, mark, marked_s, sampler, beside, locks)

    def begin(self) -> None:
        """The counters were read, and the step begins."""
        self._sampler.begin()
        self._canary.begin()
        self._locks.begin()

    def end(self) -> None:
        """The step is over; the counters are read next. Raises InfrastructureError. Idempotent."""
        self._canary.over()
        self._sampler.over()
        self._locks.stop()  # while they end
        self._sampler.stop()
        self._canary.stop()

    def leave(self) -> None:
        """Leave the step alone: nobody wants to know any more. Idempotent."""
        self._sampler.stop()
        self._locks.leave()
        self._canary.leave()

    def without(self, counters: Mapping[str, int | None]) -> Mapping[str, int | None]:
        """A reading of the counters without what the instruments themselves did."""
        return self._locks.without(self._canary.without(counters))

    def measurement(self, began_s: float, wall_s: float, counters: Mapping[str, int | None]) -> Measurement:
        """All that is known of a step that began at ``began_s`` of ``time.monotonic`` and whose counters are these."""
        late = began_s - self._marked_s
        told = self.server.statements(self.address, self._mark)
        statements = tuple(evolve(each, began_s=max(0.0, each.began_s - late)) for each in told)
        statements = taken(attribute(statements, self._canary.spells), self._locks.tenures)
        self.after = self.server.sizes(self.address)
        reasons = self.server.reasons(self.address)
        sampled = {**self._sampler.stop(), **self._locks.counters(reasons)}
        every = {**counters, **sampled, **sizes.counted(self.sizes, self.after)}
        unknown = {
            name: reason
            for name, reason in reasons.items()
            if name == "locks" or (not statements if name == "statements" else name in every and every[name] is None)
        }
        if any(each.error for each in statements):
            untold = {name: reason for name, reason in WITHOUT_FAILED.items() if every.get(name) is not None}
            every, unknown = {**every, **dict.fromkeys(untold)}, {**unknown, **untold}
        if self._canary.why_not:
            unknown["waits"] = self._canary.why_not
        if self._locks.trouble:
            unknown |= dict.fromkeys(("locks", ROWS_LOCKED), self._locks.trouble)
        return Measurement(
            wall_s,
            every,
            unknown,
            statements,
            self._canary.stop(),
            locks=self._locks.locks,
            locks_unseen_s=None if "locks" in unknown else self._locks.unseen_s,
            unwatched=self._canary.unwatched,
        )
