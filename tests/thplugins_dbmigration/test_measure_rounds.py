"""The rounds of a canary: what is asked for next, and who waits."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from attrs import define, field

from thcore.errors import InfrastructureError
from thplugins_dbmigration.measure import rounds as rounds_module
from thplugins_dbmigration.measure.probes import LEAST_S, Answer, Kind, Probe
from thplugins_dbmigration.measure.rounds import (
    AGAIN_S,
    LONGEST_AGAIN_S,
    LONGEST_PAUSE_S,
    Rounds,
    pause_after_round,
    pause_before_again,
)

LIMIT_S = 20.0


@define
class Tables:
    """Tables that tests take away and give back, and the sessions that ask for them."""

    sparing: int = 60
    taken: dict[str, threading.Event] = field(factory=dict)
    """Set when the table is given back."""
    asked: dict[str, threading.Event] = field(factory=dict)
    """Set when the table is asked for the next time."""
    together: bool = True
    """Whether they can be asked for at once."""
    alone: list[str] = field(factory=list)
    """Those that were asked for alone, in this order."""
    sessions: int = 0
    closed: int = 0
    most: int = 100

    def known(self, tables: Sequence[str]) -> Sequence[str]:
        return tables

    def open(self, kind: Kind, *, late: bool = False) -> Probe:  # noqa: ARG002 - as the contract says
        if self.sessions == self.most:
            raise InfrastructureError("too many sessions", code="server-not-answering")
        self.sessions += 1
        return Session(self)

    def await_question(self, table: str) -> None:
        asked = self.asked[table] = threading.Event()
        assert asked.wait(LIMIT_S)


@define
class Session:
    """One of the sessions."""

    tables: Tables

    def free(self, tables: Sequence[str]) -> Collection[str]:
        if not self.tables.together:
            return ()
        free = [table for table in tables if table not in self.tables.taken or self.tables.taken[table].is_set()]
        for table in free:
            self._noted(table)
        return free

    def ask(self, table: str, *, patient: bool) -> Answer:
        self._noted(table)
        self.tables.alone.append(table)
        taken = self.tables.taken.get(table)
        if taken is not None and not taken.wait(LEAST_S if patient else 0):
            return Answer.BLOCKED
        return Answer.FREE

    def close(self) -> Mapping[str, int]:
        self.tables.closed += 1
        return {"rows": 1}

    def _noted(self, table: str) -> None:
        if table in self.tables.asked:
            self.tables.asked[table].set()
        if table == "broken":
            raise InfrastructureError("the session broke", code="server-not-answering")


@contextmanager
def begun(tables: Tables, *names: str, kind: Kind = Kind.READ) -> Iterator[Rounds]:
    rounds = Rounds.ready(tables, kind, names)
    rounds.begin()
    try:
        yield rounds
    finally:
        rounds.end()
        rounds.close()


def test_a_session_waits_for_its_table_while_another_one_goes_on_with_the_rounds() -> None:
    tables = Tables(taken={"a": threading.Event()})
    with begun(tables, "a", "b", kind=Kind.WRITE) as rounds:
        for _ in range(5):
            tables.await_question("a")
            tables.await_question("b")
        assert tables.sessions == 2
        tables.taken["a"].set()
        while not rounds.spells:
            tables.await_question("b")
    (spell,) = rounds.spells
    assert (spell.kind, spell.table) == (Kind.WRITE, "a")
    assert spell.free_s == 0.0
    assert spell.wait_s >= LEAST_S
    assert rounds.close() == {}
    assert tables.closed == 2


def test_the_share_is_that_of_all_sessions_together() -> None:
    tables = Tables(taken={"a": threading.Event()})
    rounds = Rounds.ready(tables, Kind.READ, ["a", "b"])
    rounds.begin()
    tables.await_question("a")
    tables.await_question("b")
    rounds.end()
    assert rounds.close() == {"rows": 2}


def test_a_wait_that_has_not_ended_with_the_step_is_told_up_to_there() -> None:
    tables = Tables(taken={"a": threading.Event()})
    with begun(tables, "a") as rounds:
        for _ in range(3):
            tables.await_question("a")
    (spell,) = rounds.spells
    assert spell.began_s < spell.ended_s


def test_where_the_server_allows_no_more_sessions_those_that_are_there_go_on() -> None:
    tables = Tables(taken={"a": threading.Event(), "b": threading.Event()}, most=2)
    with begun(tables, "a", "b", "c") as rounds:
        tables.await_question("a")
        tables.await_question("b")
        tables.taken["a"].set()
        tables.await_question("c")
    assert rounds.trouble == []
    assert tables.sessions == 2


def test_rounds_end_when_a_session_breaks_and_say_so() -> None:
    broken = threading.Event()
    tables = Tables(asked={"broken": broken})
    with begun(tables, "a", "broken") as rounds:
        assert broken.wait(LIMIT_S)
    assert [str(error) for error in rounds.trouble] == ["the session broke"]


@pytest.mark.parametrize("together", [True, False], ids=["at once", "one by one"])
def test_one_round_asks_for_every_table_before_it_rests(monkeypatch: pytest.MonkeyPatch, *, together: bool) -> None:
    names = [f"table{number}" for number in range(24)]
    tables = Tables(asked={name: threading.Event() for name in names}, together=together)
    monkeypatch.setattr(rounds_module, "pause_after_round", lambda _wish_s, _asked: 3600.0)
    with begun(tables, *names):
        assert tables.asked[names[-1]].wait(LIMIT_S)
    assert all(asked.is_set() for asked in tables.asked.values())


def test_only_a_table_that_may_not_be_free_is_asked_for_alone() -> None:
    tables = Tables(taken={"a": threading.Event()})
    with begun(tables, "a", "b", "c"):
        for _ in range(3):
            tables.await_question("a")
            tables.await_question("b")
            tables.await_question("c")
    assert set(tables.alone) == {"a"}


@pytest.mark.parametrize(
    ("wish_s", "asked", "pause_s"),
    [
        pytest.param(0.0006, 1, LEAST_S / 2.5, id="one table twice within the shortest wait that counts"),
        pytest.param(6.0, 1, LEAST_S / 2.5, id="on a busy machine as well"),
        pytest.param(0.12, 5, 0.12, id="as long as it would like to"),
        pytest.param(0.0, 0, LEAST_S / 2.5, id="as long where all of them are waited for"),
        pytest.param(6.0, 5, 0.2, id="longer for more tables"),
        pytest.param(6.0, 30, LONGEST_PAUSE_S, id="but the beginning of a wait is found in time"),
    ],
)
def test_a_round_rests_the_longer_the_more_it_asked(wish_s: float, asked: int, pause_s: float) -> None:
    assert pause_after_round(wish_s, asked) == pytest.approx(pause_s)


@pytest.mark.parametrize(
    ("took_s", "waited_s", "pause_s"),
    [
        pytest.param(0.0001, 0.0, 0.006, id="soon where answers are quick"),
        pytest.param(0.1, 0.0, AGAIN_S, id="no later than a bound where they are slow"),
        pytest.param(0.0001, 2.0, 0.1, id="less often the longer it has lasted"),
        pytest.param(0.0001, 3600.0, LONGEST_AGAIN_S, id="the end of a long wait is found in time"),
    ],
)
def test_what_cannot_be_queued_for_is_asked_for_less_often_the_longer_it_is_waited_for(
    took_s: float, waited_s: float, pause_s: float
) -> None:
    assert pause_before_again(took_s, waited_s) == pytest.approx(pause_s)
