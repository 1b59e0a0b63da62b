"""The rounds that one kind of probe makes through the tables while a step runs."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import define, field, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind, Probe, Probes

PAUSE_S = 0.04
"""How long to wait at least between two rounds: a lone table is asked for twice in the shortest wait that counts."""
LONGEST_PAUSE_S = 1.0
"""The longest that is waited, which is ``PAUSE_S`` for each table that was asked for where there are few."""
AGAIN_SPARING = 60
"""How many times as long as an answer took to wait before asking again for what cannot be queued for, up to a bound:"""
AGAIN_S = 0.1
"""this one."""
AGAIN_SHARE = 0.05
"""When it has been waited for longer, this share of that time,"""
LONGEST_AGAIN_S = 0.25
"""up to this."""
SESSIONS = 6
"""How many sessions may be open. While all of them wait, nothing else is asked for."""


@frozen
class Spell:
    """A time during which somebody would have had to wait, in seconds from when the rounds began. ``free_s`` is when
    the table was last known to be free before, 0 where it never was."""

    kind: Kind
    table: str
    free_s: float
    began_s: float
    ended_s: float

    @property
    def wait_s(self) -> float:
        """How long it was, in seconds."""
        return self.ended_s - self.began_s


@define
class Rounds:
    """Asks for all tables, once more for those that may not be free, and rests: to wake up for each would cost a step
    more than the questions. A session whose table is not free stays with it until it is, as a client of the
    project's would, while another one goes on with the rounds."""

    probes: Probes
    kind: Kind
    _tables: list[str]
    """Those that no session waits for."""
    _open: list[Probe]
    spells: list[Spell] = field(factory=list)
    """Those that have ended, in the order of their ends."""
    trouble: list[InfrastructureError] = field(factory=list)
    """What broke, if anything did; the rounds end then."""
    _idle: list[Probe] = field(factory=list)
    _most: int = SESSIONS
    _free_s: dict[str, float] = field(factory=dict)
    _threads: list[threading.Thread] = field(factory=list)
    _over: threading.Event = field(factory=threading.Event)
    _began_s: float = 0.0
    _over_s: float = 0.0

    @classmethod
    def ready(cls, probes: Probes, kind: Kind, tables: Sequence[str]) -> Rounds:
        """With a session; nothing is asked yet. Raises InfrastructureError."""
        session = probes.open(kind)
        return cls(probes, kind, list(tables), [session], idle=[session])

    def begin(self) -> None:
        """Ask from now on, in threads of its own."""
        self._began_s = time.monotonic()
        self._start(self._go_round)

    def over(self) -> None:
        """Ask no more. Idempotent."""
        if not self._over.is_set():
            self._over_s = self._now()
            self._over.set()

    def end(self) -> None:
        """The same, and wait for the answers that are on their way, for about ``LEAST_S`` at most. Idempotent."""
        self.over()
        for thread in self._threads:  # the first of them, which makes the others, has ended when they are joined
            thread.join()

    def close(self) -> Mapping[str, int]:
        """End the sessions, and tell their share of the server's counters. Raises InfrastructureError."""
        share: collections.Counter[str] = collections.Counter()
        while self._open:
            share.update(self._open.pop().close())
        return share

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        def guarded() -> None:
            try:
                work(*arguments)
            except InfrastructureError as error:
                self.trouble.append(error)
                self.over()

        thread = threading.Thread(target=guarded, name="canary", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _now(self) -> float:
        return time.monotonic() - self._began_s

    def _go_round(self) -> None:
        pause_s = 0.0
        while not self._over.wait(pause_s):
            began_s = self._now()
            tables = tuple(self._tables)
            free = self._free(tables)
            for table in tables:
                if table not in free and not self._asked(table):
                    break
            pause_s = pause_after_round(self.probes.sparing * (self._now() - began_s), len(tables))

    def _free(self, tables: Sequence[str]) -> Collection[str]:
        session = self._session()
        if session is None:
            return ()
        began_s = self._now()
        free = session.free(tables)
        self._free_s.update(dict.fromkeys(free, began_s))
        self._idle.append(session)
        return free

    def _asked(self, table: str) -> bool:
        """Ask for one alone; False when there is nobody who could, or nobody who wants to know any more."""
        session = None if self._over.is_set() else self._session()
        if session is None:
            return False
        began_s = self._now()
        if session.ask(table, patient=False) is Answer.BLOCKED:
            self._tables.remove(table)
            self._start(self._stay, session, table, began_s)
        else:
            self._free_s[table] = began_s
            self._idle.append(session)
        return True

    def _session(self) -> Probe | None:
        if self._idle:
            return self._idle.pop()
        if len(self._open) < self._most:
            try:
                session = self.probes.open(self.kind, late=True)
            except InfrastructureError:  # the project has taken all that the server allows
                self._most = len(self._open)
            else:
                self._open.append(session)
                return session
        return None

    def _stay(self, session: Probe, table: str, began_s: float) -> None:
        answer = Answer.BLOCKED
        while answer is Answer.BLOCKED and not self._over.is_set():
            asked_s = self._now()
            answer = session.ask(table, patient=True)
            took_s = self._now() - asked_s
            if answer is Answer.BLOCKED and took_s < AGAIN_S:
                self._over.wait(pause_before_again(took_s, asked_s - began_s))
        ended_s = self._over_s if self._over.is_set() else self._now()
        if ended_s - began_s >= LEAST_S:
            self.spells.append(Spell(self.kind, table, self._free_s.get(table, 0.0), began_s, ended_s))
        self._free_s[table] = ended_s
        self._idle.append(session)
        self._tables.append(table)


def pause_after_round(wish_s: float, asked: int) -> float:
    """How long to wait before the next round, in seconds, after one for ``asked`` tables that would like to rest for
    ``wish_s``: a busy machine is asked less, up to a bound."""
    return max(PAUSE_S, min(wish_s, asked * PAUSE_S, LONGEST_PAUSE_S))


def pause_before_again(took_s: float, waited_s: float) -> float:
    """How long to wait before asking once more for what cannot be queued for, in seconds, when the last answer
    ``took_s`` and came after it had been waited for ``waited_s``."""
    return max(min(AGAIN_SPARING * took_s, AGAIN_S), min(AGAIN_SHARE * waited_s, LONGEST_AGAIN_S))
