from __future__ import annotations

from typing import Any

import pytest

from thcore.errors import InfrastructureError
from thcore.worker.generation import Generation, in_use


class Nursery:
    """Counts how often it was closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def generation() -> tuple[Generation, Nursery]:
    nursery: Any = Nursery()
    nothing: Any = None
    return Generation(nothing, {}, nothing, nursery), nursery


def test_a_generation_that_is_retired_ends_with_the_last_that_works_with_it() -> None:
    made, nursery = generation()
    with made.used() as first, made.used() as second:
        assert first
        assert second
        made.retire()
        assert nursery.closed == 0
    assert nursery.closed == 1


def test_a_generation_that_nobody_works_with_ends_at_once_and_once() -> None:
    made, nursery = generation()
    made.retire()
    made.retire()
    assert nursery.closed == 1


def test_work_that_begins_while_a_new_generation_comes_begins_with_the_new_one() -> None:
    old, _ = generation()
    new, nursery = generation()
    current = iter((old, new))
    old.retire()  # between being asked for and being used

    with in_use(lambda: next(current)) as used:
        assert used is new
        new.retire()
        assert nursery.closed == 0

    assert nursery.closed == 1


def test_no_work_begins_when_the_last_generation_is_given_up() -> None:
    made, _ = generation()
    made.retire()
    with pytest.raises(InfrastructureError, match="the worker has stopped"), in_use(lambda: made):
        pytest.fail("it began")
