"""The locks of a step, looked at again and again by sessions beside it.

What a view of locks tells is not what users feel: some locks are in no view, and a canary is there for that. This tells
which locks they were that users had to wait for.
"""

from __future__ import annotations

import collections
import contextlib
import re
import threading
import time
from collections.abc import Collection, Iterable, Mapping

from attrs import define, evolve, field

from thcore.errors import InfrastructureError
from thcore.model import Statement, TableLock
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.cause import Causes
from thplugins_dbmigration.measure.lock_view import Against, Held, LockView
from thplugins_dbmigration.measure.tenures import ROWS_LOCKED, Tenure, Tenures, longest_each, most_rows

SHARE = 0.02
"""The share of the time that looking may take: the more locks there are, and the busier the machine, the less often it
is done."""
LONGEST_PAUSE_S = 0.5
"""But never less often than that."""

_READS = r"begin(?!\s+(immediate|exclusive))|start|select|values|set|show"
_OF_A_TABLE, _OF_ROWS, _OF_THE_DATABASE = (
    re.compile(rf"\s*({_READS}{more})\b", re.IGNORECASE)
    for more in ("|insert|update|delete|replace|merge|with", "|alter|create|drop|truncate|rename|analyze", "")
)
"""Statements that hardly ever take a lock of each sort."""


@define
class _Looks:
    """The looks by one view, in a thread of its own from ``begin`` to ``end``. What broke is in ``trouble``."""

    view: LockView
    tenures: Tenures = field(factory=Tenures)
    trouble: InfrastructureError | None = None
    _over: threading.Event = field(factory=threading.Event)
    _thread: threading.Thread | None = None
    _began_s: float = 0.0

    def begin(self) -> None:
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._go_on, name="locks", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look for the last time. Idempotent."""
        if self._thread is None or self._over.is_set():
            return
        over_s = self._now()
        self._over.set()
        self._thread.join()
        self._look(until_s=over_s)
        self.tenures.over(over_s)

    def _go_on(self) -> None:
        pause_s = 0.0
        while not self._over.wait(pause_s):
            began_s = self._now()
            self._look()
            pause_s = max(self.view.interval_s, min((self._now() - began_s) / SHARE, LONGEST_PAUSE_S))

    def _look(self, until_s: float = float("inf")) -> None:
        if self.trouble is not None:
            return
        asked_s = self._now()
        try:
            found = self.view.look()
        except InfrastructureError as error:
            self.trouble = error
            return
        if found is not None:
            self.tenures.seen(min(asked_s, until_s), min(self._now(), until_s), found)

    def _now(self) -> float:
        return time.monotonic() - self._began_s


@define
class Locks:
    """The views beside one step. ``start`` them before the counters are read, ``begin`` when the step does, ``stop``
    before the counters are read again, and take the share off that reading."""

    _looks: tuple[_Looks, ...]
    _share: collections.Counter[str] = field(factory=collections.Counter)
    _open: list[_Looks] = field(factory=list)

    @classmethod
    def start(cls, server: Server, address: Address) -> Locks:
        """Have the views, which look at nothing yet. Raises InfrastructureError when the server does not answer."""
        looks = tuple(map(_Looks, server.lock_views(address)))
        return cls(looks, open=list(looks))

    def begin(self) -> None:
        """The step begins."""
        for looks in self._looks:
            looks.begin()

    def stop(self) -> None:
        """The step has ended. Idempotent. Raises InfrastructureError when what a view did cannot be told."""
        for looks in self._looks:
            looks.end()
        while self._open:
            self._share.update(self._open.pop().view.close())

    def leave(self) -> None:
        """Nobody wants to know any more, not even what broke. Idempotent."""
        while self._open:
            with contextlib.suppress(InfrastructureError):
                self.stop()

    def without(self, counters: Mapping[str, int | None]) -> dict[str, int | None]:
        """A reading that was taken after ``stop``, without the share of the views."""
        return {name: None if value is None else value - self._share[name] for name, value in counters.items()}

    @property
    def tenures(self) -> Collection[Tenure]:
        """All that was seen, for ``taken``. Nothing where something broke."""
        return [] if self.trouble else [tenure for looks in self._looks for tenure in looks.tenures.ended]

    @property
    def locks(self) -> tuple[TableLock, ...]:
        """The longest time of each mode on each table."""
        return longest_each(self.tenures)

    @property
    def unseen_s(self) -> float | None:
        """For how long a lock can have been held without having been seen, in seconds. None where nobody looked."""
        if self.trouble or not self._looks:
            return None
        return max(looks.tenures.unseen_s for looks in self._looks)

    @property
    def trouble(self) -> str:
        """What broke, empty where nothing did."""
        return next((str(looks.trouble) for looks in self._looks if looks.trouble), "")

    def counters(self, unknown: Mapping[str, str]) -> dict[str, int | None]:
        """Those that are found by looking; None for what is in ``unknown``."""
        return {ROWS_LOCKED: None if ROWS_LOCKED in unknown or self.trouble else most_rows(self.tenures)}


def taken(statements: Iterable[Statement], tenures: Iterable[Tenure]) -> tuple[Statement, ...]:
    """The statements, each with the locks that it took. One that was there before the step is with none."""
    told = tuple(statements)
    causes = Causes(told)
    found: dict[int, list[Tenure]] = collections.defaultdict(list)
    for tenure in tenures:
        number = causes.number(tenure.lock.table, tenure.free_s, tenure.began_s, _harmless(tenure.lock))
        if number is not None:
            found[number].append(tenure)
    return tuple(evolve(each, locks=longest_each(found[number])) for number, each in enumerate(told))


def _harmless(lock: Held) -> re.Pattern[str]:
    if lock.against is Against.ROWS:
        return _OF_ROWS
    return _OF_A_TABLE if lock.table else _OF_THE_DATABASE
