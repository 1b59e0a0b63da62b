"""What a step touched, and what that held before and after it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from thcore.model import ColumnCount, Count, Measurement, Statement, TableCount
from thplugins_dbmigration.census import BEYOND, TableCensus
from thplugins_dbmigration.walk.balance import FAILED, GONE, MOST, NEW, NO_TEXT, UNNOTED, Touch, balanced

ORDERS = TableCensus(100, {"id": 100, "conf": 60}, {"conf": 50}, {"id": 100, "conf": 7})
PEOPLE = TableCensus(10, {"id": 10, "name": 9}, {"name": 9}, {"id": 10, "name": 9})
BEFORE: Mapping[str, TableCensus] = {"orders": ORDERS, "people": PEOPLE, "alembic_version": TableCensus(1, {"v": 1})}


def touch(*texts: str, **unknown: str) -> Touch:
    return Touch.of(Measurement(1.0, statements=tuple(Statement(text, 0.0, 0.1) for text in texts), unknown=unknown))


def columns(table: TableCount) -> list[str]:
    return [column.column for column in table.columns]


def test_what_no_statement_names_and_no_count_tells_is_told_with_its_rows_alone() -> None:
    census = balanced(BEFORE, BEFORE, touch("COMMIT"))

    assert census.tables == ()
    assert census.untouched == {"orders": 100, "people": 10}, "and without the books of the tool"
    assert "books" not in balanced({"books": PEOPLE}, {"books": PEOPLE}, touch(), {"books"}).untouched


def test_rows_and_nulls_empty_texts_and_different_values_are_told_before_and_after() -> None:
    now = {**BEFORE, "orders": TableCensus(90, {"id": 90, "conf": 40}, {"conf": 35}, {"id": 90, "conf": 5})}
    (orders,) = balanced(BEFORE, now, touch()).tables

    assert (orders.table, orders.rows) == ("orders", Count(100, 90))
    assert orders.columns == (
        ColumnCount("id", Count(0, 0), Count(), Count(100, 90), {"empty": NO_TEXT}),
        ColumnCount("conf", Count(40, 50), Count(10, 5), Count(7, 5)),
    )


@pytest.mark.parametrize(
    "text",
    ["UPDATE orders SET conf = 'x'", 'update "Orders" set "CONF" = 1', "ALTER TABLE `orders` MODIFY `conf` TEXT"],
)
def test_a_column_that_a_statement_names_is_told_though_all_counts_are_as_they_were(text: str) -> None:
    census = balanced(BEFORE, BEFORE, touch(text))

    assert [(table.table, columns(table)) for table in census.tables] == [("orders", ["conf"])]
    assert census.untouched == {"people": 10}


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE orders SET tags = ARRAY[id, conf]",
        "UPDATE orders SET size = '5\"' WHERE conf = 1 OR id = 2 OR height = '6\"'",
        "UPDATE orders SET note = 'it`s' WHERE id = conf OR note = 'that`s'",
    ],
)
def test_a_column_between_what_only_looks_like_quotes_of_a_name_is_seen(text: str) -> None:
    (orders,) = balanced(BEFORE, BEFORE, touch(text)).tables
    assert columns(orders) == ["id", "conf"]


def test_a_name_in_quotes_may_have_anything_in_it() -> None:
    odd = {"user-roles": TableCensus(1, {"first name": 1, "last name": 1})}
    (table,) = balanced(odd, odd, touch('UPDATE "user-roles" SET [first name] = 1')).tables
    assert columns(table) == ["first name"]


def test_a_column_named_in_a_statement_about_another_table_is_not_touched() -> None:
    (orders,) = balanced(BEFORE, BEFORE, touch("SELECT conf FROM settings", "ALTER TABLE orders ADD x INTEGER")).tables
    assert columns(orders) == []


def test_of_a_statement_that_is_cut_any_column_may_be_named_beyond() -> None:
    cut = Statement("UPDATE orders SET", 0.0, 0.1, unknown={"text": "cut"})
    (orders,) = balanced(BEFORE, BEFORE, Touch.of(Measurement(1.0, statements=(cut,)))).tables
    assert columns(orders) == ["id", "conf"]


def test_where_nobody_knows_the_statements_everything_is_told() -> None:
    assert len(balanced(BEFORE, BEFORE, touch(statements="not kept")).tables) == 2


def test_what_is_new_and_what_is_gone_is_null_on_that_side_with_a_reason() -> None:
    now = {"orders": TableCensus(100, {"id": 100, "more": 3}), "shops": TableCensus(4, {"id": 4}), "people": PEOPLE}
    before = {**BEFORE, "old": TableCensus(5, {"id": 5})}
    tables = {table.table: table for table in balanced(before, now, touch()).tables}

    assert (tables["old"].rows, tables["old"].unknown) == (Count(5, None), {"after": GONE})
    assert (tables["shops"].rows, tables["shops"].unknown) == (Count(None, 4), {"before": NEW})
    told = {column.column: column for column in tables["orders"].columns}
    assert (told["conf"].nulls, told["conf"].unknown["after"]) == (Count(40, None), GONE)
    assert (told["more"].nulls, told["more"].unknown["before"]) == (Count(None, 97), NEW)


def test_a_table_of_which_different_values_were_counted_on_one_side_only_is_not_touched_by_that() -> None:
    beyond = evolve(ORDERS, distinct={}, untold={"id": BEYOND, "conf": BEYOND})
    assert balanced({"orders": beyond}, {"orders": ORDERS}, touch()).untouched == {"orders": 100}


def test_a_table_with_another_name_is_told_once() -> None:
    census = balanced({"orders": ORDERS}, {"sales": ORDERS}, touch("ALTER TABLE orders RENAME TO sales"))

    (told,) = census.tables
    assert (told.table, told.renamed, told.rows, columns(told)) == ("orders", "sales", Count(100, 100), [])


def test_different_values_that_were_not_counted_are_null_with_the_reason_and_never_none() -> None:
    beyond = evolve(ORDERS, distinct={"id": 100}, untold={"conf": BEYOND})
    earlier = evolve(ORDERS, distinct={})
    (orders,) = balanced({"orders": beyond}, {"orders": earlier}, touch("UPDATE orders SET conf = id")).tables

    told = {column.column: column for column in orders.columns}
    assert told["conf"].distinct == Count(None, None)
    assert told["conf"].unknown["distinct"] == f"{BEYOND}; {UNNOTED}"
    assert (told["id"].distinct, told["id"].unknown["distinct"]) == (Count(100, None), UNNOTED)


def test_a_column_without_any_value_has_no_different_ones_whatever_its_type() -> None:
    empty = TableCensus(3, {"blob": 0}, untold={"blob": BEYOND})
    (table,) = balanced({"t": empty}, {"t": empty}, touch("UPDATE t SET blob = NULL")).tables
    assert table.columns == (ColumnCount("blob", Count(3, 3), Count(), Count(0, 0), {"empty": NO_TEXT}),)


def test_after_a_step_that_failed_nothing_is_known_and_nothing_is_called_gone() -> None:
    census = balanced(BEFORE, None, touch("UPDATE orders SET conf = 1"))

    (orders,) = census.tables
    assert (orders.rows, orders.unknown, columns(orders)) == (Count(100, None), {}, ["conf"])
    assert census.unknown == {"after": FAILED}
    assert census.untouched == {"people": 10}


def test_of_very_many_columns_those_are_told_that_changed_and_the_others_are_counted() -> None:
    wide = TableCensus(9, {f"c{number}": 9 for number in range(MOST + 20)})
    now = {"a": wide, "z": evolve(PEOPLE, present={"id": 10, "name": 3})}
    census = balanced({"a": wide, "z": PEOPLE}, now, touch("UPDATE a SET " + ", ".join(wide.present)))

    assert census.left_out == 21
    first, last = census.tables
    assert (len(first.columns), columns(last)) == (MOST - 1, ["name"])
