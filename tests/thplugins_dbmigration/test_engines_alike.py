"""Statements that are alike are told as one."""

from __future__ import annotations

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import MOST, NEAR, Event, folded


def event(text: str, at: float, likeness: str = "", *, error: str = "", rows: int | None = 1) -> Event:
    return Event(Statement(text, at, 0.5, error=error, counters={"rows": rows}), likeness)


def test_a_loop_of_several_statements_is_one_of_each_with_their_sums() -> None:
    loop = ("SELECT", "UPDATE", "COMMIT")
    events = [event(f"{text} {number}", number + place / 10, text)
              for number in range(100) for place, text in enumerate(loop)]  # fmt: skip
    told = folded(events)
    assert [(each.text, each.began_s, each.calls, each.wall_s) for each in told] == [
        ("SELECT 0", 0.0, 100, 50.0),
        ("UPDATE 0", 0.1, 100, 50.0),
        ("COMMIT 0", 0.2, 100, 50.0),
    ]
    assert {each.counters["rows"] for each in told} == {100}


def test_what_comes_after_a_statement_of_its_own_is_not_put_with_what_came_before() -> None:
    told = folded([event("UPDATE 1", 1, "u"), event("UPDATE 2", 2, "u"), event("ALTER", 3), event("UPDATE 3", 4, "u")])
    assert [(each.text, each.calls) for each in told] == [("UPDATE 1", 2), ("ALTER", 1), ("UPDATE 3", 1)]


def test_they_are_put_in_the_order_in_which_they_began() -> None:
    assert [each.text for each in folded([event("b", 2), event("a", 1), event("c", 3)])] == ["a", "b", "c"]


def test_alike_but_far_from_each_other_is_told_twice() -> None:
    others = [event(f"other {number}", number, str(number)) for number in range(1, NEAR + 1)]
    told = folded([event("first", 0, "first"), *others, event("last", NEAR + 1, "first")])
    assert len(told) == NEAR + 2


def test_a_counter_that_one_of_them_does_not_know_is_known_of_none() -> None:
    (told,) = folded([event("a", 1, "a"), event("a", 2, "a", rows=None)])
    assert told.counters == {"rows": None}


def test_of_too_many_the_failed_and_the_longest_are_told() -> None:
    events = [event(f"ALTER {number}", number) for number in range(2 * MOST)]
    events += [Event(Statement("long", 7.5, 9.0), ""), event("failed", 8.5, error="1062")]
    told = folded(events)
    assert len(told) == MOST
    assert {"long", "failed"} <= {each.text for each in told}
    assert told[-1].calls == 2 * MOST + 2 - (MOST - 1)
    assert sum(each.wall_s for each in told) == MOST + 9.5
    assert "other statements" in told[-1].text
