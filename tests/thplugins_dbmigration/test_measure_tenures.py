"""How long locks were held, from looks at moments."""

from __future__ import annotations

import pytest

from thcore.model import TableLock
from thplugins_dbmigration.measure.lock_view import Against, Held
from thplugins_dbmigration.measure.tenures import Tenures, longest_each, most_rows

Look = tuple[float, float, tuple[Held, ...]]


def held(mode: str, *holders: str, against: Against = Against.WRITERS, rows: int | None = None) -> Held:
    return Held("tickets", mode, against, frozenset(holders), rows=rows)


def looked(*looks: Look, over_s: float = 10.0) -> Tenures:
    tenures = Tenures()
    for asked_s, answered_s, locks in looks:
        tenures.seen(asked_s, answered_s, locks)
    tenures.over(over_s)
    return tenures


SHARE = held("SHARE", "one")


def test_a_lock_was_held_between_the_looks_that_saw_it_and_at_most_between_those_that_did_not() -> None:
    tenures = looked((1.0, 1.1, ()), (2.0, 2.1, (SHARE,)), (3.0, 3.1, (SHARE,)), (4.0, 4.1, (SHARE,)), (5.0, 5.1, ()))
    (lock,) = longest_each(tenures.ended)
    assert lock == TableLock("tickets", "SHARE", "writers", 4.0 - 2.1, 5.1 - 1.0, 2.1)


def test_of_a_lock_that_was_seen_once_nobody_knows_more_than_how_long_it_can_have_been_held() -> None:
    tenures = looked((1.0, 1.1, ()), (2.0, 2.1, (SHARE,)), (3.0, 3.1, ()))
    (lock,) = longest_each(tenures.ended)
    assert (lock.held_s, lock.at_most_s) == (0.0, 3.1 - 1.0)
    assert str(lock) == "tickets locked against writers for less than 2.1 s (SHARE)"


def test_a_lock_that_outlasts_the_step_is_told_to_the_end_of_the_step() -> None:
    (lock,) = longest_each(looked((0.0, 0.1, (SHARE,)), (4.0, 4.0, (SHARE,)), over_s=4.0).ended)
    assert (lock.began_s, lock.held_s, lock.at_most_s) == (0.1, 3.9, 4.0)


def test_transactions_that_follow_each_other_are_not_one_long_lock() -> None:
    batches = [held("ROW EXCLUSIVE", str(number), against=Against.ROWS) for number in range(5)]
    looks = [(float(number), number + 0.1, (batches[number // 2],)) for number in range(10)]
    tenures = looked(*looks)
    (lock,) = longest_each(tenures.ended)
    assert len(tenures.ended) == 5
    assert lock.held_s == pytest.approx(0.9)


def test_what_is_kept_from_one_transaction_to_the_next_is_one_lock() -> None:
    first, between, last = held("SHARE", "statement", "1"), held("SHARE", "statement", "2"), held("SHARE", "2")
    tenures = looked((1.0, 1.0, (first,)), (2.0, 2.0, (between,)), (3.0, 3.0, (last,)), (4.0, 4.0, ()))
    assert [tenure.held_s for tenure in tenures.ended] == [2.0]


def test_the_longest_time_without_a_look_is_what_can_have_been_missed() -> None:
    assert looked((0.0, 0.1, ()), (1.0, 1.5, ()), (1.6, 1.7, ()), over_s=2.0).unseen_s == 1.5
    assert looked((0.0, 0.1, ()), over_s=2.0).unseen_s == 2.0, "from the last one to the step's end as well"


def test_of_the_rows_that_were_locked_the_most_at_once_are_told() -> None:
    looks = [(float(number), float(number), (held("X", "one", rows=rows),)) for number, rows in enumerate((5, 90, 40))]
    tenures = looked(*looks)
    assert most_rows(tenures.ended) == 90
    assert longest_each(tenures.ended)[0].rows == 90
    assert most_rows(looked((1.0, 1.0, ())).ended) == 0


def test_those_that_keep_out_most_come_first_and_of_them_the_longest() -> None:
    weak, strong = (
        held("ROW EXCLUSIVE", "one", against=Against.ROWS),
        held("ACCESS EXCLUSIVE", "one", against=Against.ALL),
    )
    other = Held("people", "SHARE", Against.WRITERS, frozenset({"one"}))
    tenures = looked((1.0, 1.0, (weak, SHARE)), (2.0, 2.0, (weak, SHARE, other)), (3.0, 3.0, (weak, strong, other)))
    assert [(lock.table, lock.mode) for lock in longest_each(tenures.ended)] == [
        ("tickets", "ACCESS EXCLUSIVE"),
        ("people", "SHARE"),
        ("tickets", "SHARE"),
        ("tickets", "ROW EXCLUSIVE"),
    ]
