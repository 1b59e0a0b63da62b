"""What a step made of the sizes of tables."""

from __future__ import annotations

from attrs import evolve

from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.measure.sizes import COUNTERS, by_importance, counted, rewritten

BOOKS = TableSize(10, 1000, 200, "1")
AUTHORS = TableSize(5, 500, 0, "2")


def test_a_table_in_another_file_was_rewritten_and_a_new_or_renamed_one_was_not() -> None:
    before = {"books": BOOKS, "authors": AUTHORS, "gone": TableSize(1, 1, 1, "3")}
    after = {"books": evolve(BOOKS, identity="4"), "authors": AUTHORS, "renamed": before["gone"], "new": AUTHORS}
    assert rewritten(before, after) == ("books",)


def test_a_table_that_only_has_a_partition_more_or_less_was_not_rewritten() -> None:
    before = {"books": evolve(BOOKS, identity="1.1 2.2")}
    assert rewritten(before, {"books": evolve(BOOKS, identity="1.1 2.2 3.3")}) == ()
    assert rewritten(before, {"books": evolve(BOOKS, identity="2.2")}) == ()
    assert rewritten(before, {"books": evolve(BOOKS, identity="1.1 4.4")}) == ("books",)


def test_the_sizes_of_all_tables_are_counted_before_and_after() -> None:
    before = {"books": BOOKS, "authors": AUTHORS}
    after = {"books": evolve(BOOKS, index_bytes=300), "authors": AUTHORS}
    assert counted(before, after) == {
        "tables_rewritten": 0,
        "table_bytes_before": 1500,
        "table_bytes_after": 1500,
        "index_bytes_before": 200,
        "index_bytes_after": 300,
    }


def test_what_the_server_does_not_tell_of_one_table_is_known_of_no_sum() -> None:
    told = counted({"books": BOOKS}, {"books": BOOKS, "new": TableSize(None, None, 0, "5")})
    assert told["table_bytes_before"] == 1000
    assert told["table_bytes_after"] is None
    assert counted({}, {}) == dict.fromkeys(COUNTERS)


def test_the_tables_that_are_named_come_first_and_then_the_largest_without_those_of_tools() -> None:
    sizes = {"small": AUTHORS, "large": BOOKS, "alembic_version": BOOKS, "tiny": TableSize(1, 1, 0, "3")}
    assert by_importance(sizes) == ("large", "small", "tiny")
    in_partitions = ("events", "tiny", "alembic_version", "large")
    assert by_importance(sizes, in_partitions) == ("events", "tiny", "large", "small")
