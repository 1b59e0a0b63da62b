"""Which statement of a step took a lock that was found beside it."""

from __future__ import annotations

import re

import pytest

from thcore.model import Statement
from thplugins_dbmigration.measure.cause import SLACK_S, Causes

HARMLESS = re.compile(r"\s*select\b", re.IGNORECASE)


def number(table: str, *texts: str, free_s: float = 0.0, began_s: float = 100.0) -> int | None:
    """The cause among statements that take a second each, one after the other."""
    causes = Causes([Statement(text, float(place), 1.0) for place, text in enumerate(texts)])
    return causes.number(table, free_s, began_s, HARMLESS)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ALTER TABLE Orders ADD x int", True),
        ('ALTER TABLE "public"."orders"', True),
        ("UPDATE shop.orders", True),
        ("orders", True),
        ("ALTER TABLE orders_old", False),
        ("ALTER TABLE my$orders", False),
        ("ALTER TABLE reorders ADD orders2 int", False),
        ("ALTER TABLE ältorders, orders", True),
        ("ALTER TABLE ältorders", False),
    ],
)
def test_a_statement_names_a_table_by_its_whole_name(text: str, *, named: bool) -> None:
    assert number("public.orders", "DO 1", text) == (1 if named else 0)


def test_of_those_that_name_it_the_first_that_is_not_harmless_is_the_cause() -> None:
    assert number("orders", "DO 1", "SELECT 1 FROM orders", "UPDATE orders", "DROP TABLE orders") == 2
    assert number("orders", "DO 1", "SELECT 1 FROM orders") == 1
    assert number("orders", "SELECT 1", "DO 1", "DO 2") == 1
    assert number("orders", "SELECT 1", "SELECT 2") == 0


def test_a_lock_on_the_whole_database_is_of_the_first_that_is_not_harmless() -> None:
    assert number("", "SELECT 1", "DO 1", "DO 2") == 1


def test_one_that_had_ended_before_the_table_was_last_free_is_not_the_cause() -> None:
    statements = ("UPDATE orders", "UPDATE orders", "UPDATE orders")
    assert number("orders", *statements, free_s=1 + SLACK_S / 2) == 0
    assert number("orders", *statements, free_s=1 + 2 * SLACK_S) == 1
    assert number("orders", *statements, free_s=9.0) is None


def test_one_that_began_after_the_lock_was_found_is_not_the_cause() -> None:
    assert number("orders", "DO 1", "UPDATE orders", began_s=1 - SLACK_S / 2) == 1
    assert number("orders", "DO 1", "UPDATE orders", began_s=1 - 2 * SLACK_S) == 0


def test_statements_of_several_sessions_are_found_in_whatever_order_they_are_told() -> None:
    long, late, early, first = (
        Statement("UPDATE orders -- long", 1.0, 8.0),
        Statement("UPDATE orders -- late", 6.0, 1.0),
        Statement("UPDATE orders -- early", 3.0, 1.0),
        Statement("UPDATE orders -- first", 0.0, 0.5),
    )
    causes = Causes([late, long, early, first])
    assert causes.number("orders", 5.0, 5.5, HARMLESS) == 1
    assert causes.number("orders", 5.0, 6.5, HARMLESS) == 0
    assert causes.number("orders", 3.5, 3.6, HARMLESS) == 1
    assert causes.number("orders", 0.2, 0.3, HARMLESS) == 3
    assert causes.number("orders", 9.5, 9.9, HARMLESS) is None
