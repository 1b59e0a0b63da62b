"""Statements that are alike are told as one."""

from __future__ import annotations

from collections.abc import Iterable

from thcore.model import Statement
from thplugins_dbmigration.engines.alike import MOST, NEAR, Gathering, in_order


def groups(statements: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The texts of statements, put together by the likeness that comes after each."""
    gathering = Gathering[list[str]]()
    for text, likeness in statements:
        gathering.group(likeness, list).append(text)
    return gathering.all


def statement(text: str, at: float, *, wall_s: float = 0.5, error: str = "", rows: int | None = 1) -> Statement:
    return Statement(text, at, wall_s, error=error, counters={"rows": rows})


def test_a_loop_of_several_statements_is_one_group_of_each() -> None:
    loop = [(f"{text} {number}", text) for number in range(100) for text in ("SELECT", "UPDATE", "COMMIT")]
    found = groups(loop)
    assert [(group[0], len(group)) for group in found] == [("SELECT 0", 100), ("UPDATE 0", 100), ("COMMIT 0", 100)]


def test_what_comes_after_a_statement_of_its_own_is_not_put_with_what_came_before() -> None:
    found = groups([("UPDATE 1", "u"), ("UPDATE 2", "u"), ("ALTER", ""), ("UPDATE 3", "u")])
    assert found == [["UPDATE 1", "UPDATE 2"], ["ALTER"], ["UPDATE 3"]]


def test_alike_but_far_from_each_other_are_two_groups() -> None:
    others = [(f"other {number}", str(number)) for number in range(NEAR)]
    assert len(groups([("first", "first"), *others, ("last", "first")])) == NEAR + 2
    assert len(groups([("first", "first"), *others[1:], ("last", "first")])) == NEAR


def test_they_are_told_in_the_order_in_which_they_began() -> None:
    told = in_order([statement("b", 2), statement("a", 1), statement("c", 3)])
    assert [each.text for each in told] == ["a", "b", "c"]


def test_of_too_many_the_failed_and_the_longest_are_told() -> None:
    statements = [statement(f"ALTER {number}", number) for number in range(2 * MOST)]
    told = in_order([*statements, statement("long", 7.5, wall_s=9.0), statement("failed", 8.5, error="1062")])
    assert len(told) == MOST
    assert {"long", "failed"} <= {each.text for each in told}
    assert told[-1].calls == 2 * MOST + 2 - (MOST - 1)
    assert told[-1].counters == {"rows": told[-1].calls}
    assert sum(each.wall_s for each in told) == MOST + 9.5
    assert "other statements" in told[-1].text


def test_a_counter_that_one_of_too_many_does_not_know_is_known_of_none() -> None:
    told = in_order(statement(str(number), number, rows=None if number == MOST else 1) for number in range(MOST + 1))
    assert told[-1].calls == 2
    assert told[-1].counters == {"rows": None}
