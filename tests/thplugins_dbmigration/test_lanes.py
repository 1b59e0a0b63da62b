from __future__ import annotations

import os
import threading

import pytest

from thplugins_dbmigration.lanes import shares, side_by_side


def test_processors_are_divided_evenly_and_each_is_in_one_share() -> None:
    assert shares(range(8), 2) == (frozenset({0, 2, 4, 6}), frozenset({1, 3, 5, 7}))
    assert shares([5, 3, 1], 2) == (frozenset({1, 5}), frozenset({3}))
    assert shares([7], 1) == (frozenset({7}),)


def test_lanes_that_are_more_than_processors_have_all_of_them() -> None:
    assert shares([2, 4], 3) == (frozenset({2, 4}),) * 3


def test_answers_are_in_the_order_of_the_things_whatever_is_done_first() -> None:
    second_is_done = threading.Event()

    def work(thing: str) -> str:
        if thing == "a":
            assert second_is_done.wait(60)
        else:
            second_is_done.set()
        return thing.upper()

    assert side_by_side(work, ["a", "b", "c"], 2) == ["A", "B", "C"]
    assert side_by_side(work, [], 2) == []


def test_no_more_are_worked_on_at_once_than_there_are_lanes() -> None:
    inside: list[str] = []
    most: list[int] = []

    def work(thing: str) -> None:
        inside.append(thing)
        most.append(len(inside))
        inside.remove(thing)

    side_by_side(work, list("abcdef"), 1)
    assert most == [1] * 6


def test_the_first_things_exception_is_raised_when_all_have_ended() -> None:
    ended: list[str] = []
    both = threading.Barrier(2)

    def work(thing: str) -> None:
        both.wait(60)
        try:
            raise ValueError(thing)
        finally:
            ended.append(thing)

    with pytest.raises(ValueError, match="a"):
        side_by_side(work, ["a", "b"], 2)
    assert sorted(ended) == ["a", "b"]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor only")
def test_each_lane_has_processors_of_its_own_and_the_caller_keeps_all() -> None:
    before = os.sched_getaffinity(0)
    both = threading.Barrier(2)

    def work(_thing: int) -> set[int]:
        both.wait(60)
        return os.sched_getaffinity(0)

    one, other = side_by_side(work, [1, 2], 2)
    assert one | other == before
    assert not one & other
    assert os.sched_getaffinity(0) == before
