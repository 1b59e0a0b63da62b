"""What a step that the change adds is watched with, beside the counters: statements, disk, sizes of tables."""

from __future__ import annotations

import time
from collections.abc import Mapping

from attrs import define, evolve, field

from thcore.model import Measurement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure import sizes
from thplugins_dbmigration.measure.sampling import Sampler


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
    after: Mapping[str, TableSize] = field(factory=dict)
    """Of all tables after it, once that is known."""

    @classmethod
    def start(cls, server: Server, address: Address) -> Instruments:
        """Set them up. Raises InfrastructureError when the server does not answer."""
        found = server.sizes(address)
        mark, marked_s = server.mark(address), time.monotonic()
        return cls(server, address, found, mark, marked_s, Sampler.start(server.storage))

    def end(self) -> None:
        """Leave the step alone: it is over, or nobody wants to know any more. Idempotent."""
        self._sampler.stop()

    def measurement(self, began_s: float, wall_s: float, counters: Mapping[str, int | None]) -> Measurement:
        """All that is known of a step that began at ``began_s`` of ``time.monotonic`` and whose counters are these."""
        late = began_s - self._marked_s
        told = self.server.statements(self.address, self._mark)
        statements = tuple(evolve(each, began_s=max(0.0, each.began_s - late)) for each in told)
        self.after = self.server.sizes(self.address)
        every = {**counters, **self._sampler.stop(), **sizes.counted(self.sizes, self.after)}
        unknown = {
            name: reason
            for name, reason in self.server.reasons(self.address).items()
            if (not statements if name == "statements" else name in every and every[name] is None)
        }
        return Measurement(wall_s, every, unknown, statements)
