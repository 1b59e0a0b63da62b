"""Small sessions beside a step, which find out how long a reader and a writer of its tables would have had to wait.

Views of locks mislead: some are not told, others are told in a mode that they no longer have. A canary waits itself.
"""

from __future__ import annotations

import collections
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import define, evolve, field

from thcore.errors import InfrastructureError
from thcore.model import Statement, Wait
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure.cause import Causes
from thplugins_dbmigration.measure.probes import Kind
from thplugins_dbmigration.measure.rounds import Rounds, Spell

TABLES = 24
"""How many tables are watched, of those that are given; the first ones count."""

_HARMLESS = {
    Kind.READ: re.compile(r"\s*(select|insert|update|delete|with|values|set|show)\b", re.IGNORECASE),
    Kind.WRITE: re.compile(r"\s*(select|with|values|set|show)\b", re.IGNORECASE),
}
"""Statements that keep nobody of that kind waiting, or hardly ever."""


@define
class Canary:
    """The sessions beside one step. ``start`` them before the counters are read, ``begin`` when the step does, ``stop``
    before the counters are read again, and take the ``share`` off that reading.

    ``why_not`` says why nothing is known of waits, and is empty where it is.
    """

    why_not: str = ""
    unwatched: tuple[str, ...] = ()
    """The tables that were given and that nobody waits for."""
    _rounds: tuple[Rounds, ...] = ()
    _share: dict[str, int] = field(factory=dict)

    @classmethod
    def start(cls, server: Server, address: Address, tables: Sequence[str]) -> Canary:
        """Have the sessions, which do nothing yet. ``tables`` are named as a census names them, the most important ones
        first; those that are not there are left out.

        Raises InfrastructureError when the server does not answer.
        """
        probes = server.probes(address)
        if probes is None:
            return cls(why_not="this engine lets nobody read or write beside a step")
        every = probes.known(tables)
        known = every[:TABLES]
        rounds: list[Rounds] = []
        try:
            for kind in Kind:
                rounds.append(Rounds.ready(probes, kind, known))  # noqa: PERF401 - those before are closed
        except BaseException:
            for each in rounds:
                each.close()
            raise
        return cls(unwatched=tuple(every[TABLES:]), rounds=tuple(rounds))

    def begin(self) -> None:
        """The step begins."""
        for rounds in self._rounds:
            rounds.begin()

    def over(self) -> None:
        """The step has ended: ask no more. Idempotent."""
        for rounds in self._rounds:
            rounds.over()

    def stop(self) -> tuple[Wait, ...]:
        """The same, and end the sessions. The longest wait of each kind for
        each table that made anybody wait for as long as ``LEAST_S``, the longest first. Idempotent.

        Raises InfrastructureError when a session has gone, and what it did cannot be told.
        """
        self.over()  # all of them, before the answers of any are waited for
        for rounds in self._rounds:
            rounds.end()
        for rounds in self._rounds:
            for name, value in rounds.close().items():
                self._share[name] = self._share.get(name, 0) + value
            for error in rounds.trouble:
                self.why_not = str(error)
        return () if self.why_not else _longest_each(self.spells)

    def leave(self) -> None:
        """Nobody wants to know any more, not even what broke. Idempotent."""
        with contextlib.suppress(InfrastructureError):
            self.stop()

    @property
    def spells(self) -> tuple[Spell, ...]:
        """All that was found, for ``attribute``."""
        return () if self.why_not else tuple(spell for rounds in self._rounds for spell in rounds.spells)

    def share(self) -> Mapping[str, int]:
        """What the canary itself added to the server's counters between ``start`` and the end of ``stop``."""
        return dict(self._share)

    def without(self, counters: Mapping[str, int | None]) -> dict[str, int | None]:
        """A reading that was taken after ``stop``, without the canary's share."""
        share = self._share
        return {name: None if value is None else value - share.get(name, 0) for name, value in counters.items()}


def attribute(statements: Iterable[Statement], spells: Iterable[Spell]) -> tuple[Statement, ...]:
    """The statements, each with the longest waits of those that it caused. A wait for which no statement can be the
    cause, because it ran before the step, is with none."""
    told = tuple(statements)
    causes = Causes(told)
    caused: dict[int, list[Spell]] = collections.defaultdict(list)
    for spell in spells:
        number = causes.number(spell.table, spell.free_s, spell.began_s, _HARMLESS[spell.kind])
        if number is not None:
            caused[number].append(spell)
    return tuple(evolve(each, waits=_longest_each(caused[number])) for number, each in enumerate(told))


def _longest_each(spells: Iterable[Spell]) -> tuple[Wait, ...]:
    found: dict[tuple[Kind, str], Spell] = {}
    for spell in spells:
        kept = found.get((spell.kind, spell.table))
        if kept is None or spell.wait_s > kept.wait_s:
            found[spell.kind, spell.table] = spell
    waits = (Wait(str(spell.kind), spell.table, spell.wait_s, spell.began_s) for spell in found.values())
    return tuple(sorted(waits, key=lambda wait: -wait.wait_s))
