"""The watch over one step: the clock and the counters, and instruments where the change adds the step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from attrs import evolve, frozen

from thcore.model import Measurement
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.counters import measured
from thplugins_dbmigration.measure.instruments import Instruments
from thplugins_dbmigration.measure.sizes import Sizes


@frozen
class Watch:
    """Is started when nothing runs yet, and stopped when the step has ended. ``read`` tells the server's counters as
    totals; ``engine`` is what they are called after."""

    engine: str
    read: Callable[[], Mapping[str, int | None]]
    instruments: Instruments | None
    _before: Mapping[str, int | None]
    _began_s: float
    _began: float

    @classmethod
    def start(
        cls,
        engine: str,
        server: Server,
        address: Address,
        read: Callable[[], Mapping[str, int | None]],
        *,
        closely: bool,
        canary: bool = False,
        first: Sequence[str] = (),
    ) -> Watch:
        """Watch the step that comes now, ``closely`` with all instruments, and where wanted with a ``canary``, which
        looks after the tables ``first`` before all others. The clock runs when this returns.

        Raises what ``read`` raises, and InfrastructureError when the server does not answer.
        """
        instruments = Instruments.start(server, address, canary=canary, first=first) if closely else None
        try:
            before = read()
        except BaseException:
            if instruments is not None:
                instruments.leave()
            raise
        began_s, began = time.monotonic(), time.time()
        if instruments is not None:
            instruments.begin()
        return cls(engine, read, instruments, before, began_s, began)

    def stop(self) -> Measurement:
        """What the step cost, whether it failed or not. Raises like ``start``."""
        wall_s = time.monotonic() - self._began_s
        return evolve(self._measurement(wall_s), began=self._began)

    def _measurement(self, wall_s: float) -> Measurement:
        if self.instruments is None:
            return Measurement(wall_s, measured(self.engine, self._before, self.read()))
        self.instruments.end()
        counters = measured(self.engine, self._before, self.instruments.without(self.read()))
        return self.instruments.measurement(self._began_s, wall_s, counters)

    @property
    def sizes(self) -> Sizes:
        """The tables around a step that was watched closely and has ended."""
        return Sizes(self.instruments.sizes, self.instruments.after) if self.instruments else Sizes()

    def leave(self) -> None:
        """Nobody wants to know any more: nothing of it runs afterwards. Idempotent."""
        if self.instruments is not None:
            self.instruments.leave()
