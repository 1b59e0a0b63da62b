from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from thcore.errors import CancelledError
from thplugins_dbmigration.turns import Turns


def nothing() -> None:
    """The build goes on."""


def asked_for(turns: Turns, count: int) -> None:
    """Wait until so many turns are on or waited for."""
    with turns._changed:
        while len(turns._turns) != count:
            turns._changed.wait(0.01)


class Runner:
    """A thread that has a turn, or waits for it, until it is let go."""

    def __init__(self, turns: Turns, *, alone: bool, then: Callable[[], object] = nothing) -> None:
        self.on, self.over = threading.Event(), threading.Event()
        before = len(turns._turns)
        self._turn = turns.alone if alone else turns.beside
        self._then = then
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        asked_for(turns, before + 1)

    def _run(self) -> None:
        with self._turn():
            self.on.set()
            self.over.wait(60)
            self._then()

    def let_go(self) -> None:
        self.over.set()
        self.thread.join(60)


def test_turns_beside_each_other_are_on_at_the_same_time() -> None:
    turns = Turns(nothing)
    runners = [Runner(turns, alone=False) for _ in range(3)]
    assert all(runner.on.wait(60) for runner in runners)
    for runner in runners:
        runner.let_go()
    assert turns._turns == []


def test_nothing_is_beside_a_turn_alone_and_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns = Turns(nothing)
    first = Runner(turns, alone=False)
    judged = Runner(turns, alone=True)
    second = Runner(turns, alone=False)
    third = Runner(turns, alone=False)
    other = Runner(turns, alone=True)
    everybody = [first, judged, second, third, other]

    def on() -> list[bool]:
        return [runner.on.is_set() for runner in everybody]

    assert first.on.wait(60)
    assert on() == [True, False, False, False, False]
    first.let_go()
    assert judged.on.wait(60)
    assert on() == [True, True, False, False, False]
    judged.let_go()
    assert second.on.wait(60)
    assert third.on.wait(60)
    assert on() == [True, True, True, True, False]
    second.let_go()
    assert not other.on.is_set()
    third.let_go()
    assert other.on.wait(60)
    other.let_go()
    assert turns._turns == []


def test_who_waits_hears_that_the_build_was_told_to_end_and_leaves_no_turn_behind() -> None:
    told = threading.Event()

    def check() -> None:
        if told.is_set():
            raise CancelledError("enough")

    turns = Turns(check)
    holder = Runner(turns, alone=True)
    assert holder.on.wait(60)

    def wait() -> None:
        with turns.beside():
            pytest.fail("it is not its turn")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        asked_for(turns, 2)
        told.set()
        with pytest.raises(CancelledError):
            waiting.result(60)
    holder.let_go()
    assert turns._turns == []


def test_a_turn_is_over_when_its_work_fails() -> None:
    turns = Turns(nothing)
    with pytest.raises(ValueError, match="broken"), turns.alone():
        raise ValueError("broken")
    with turns.alone():
        pass
