from __future__ import annotations

import pytest
from attrs import evolve

from thcore.model import Limit, Measurement, Statement, TableWork, Wait
from thplugins_dbmigration.limits.figures import Figure, figure, known

ALTER = "ALTER TABLE orders ADD CHECK (total >= 0)"
NOTED = Statement("UPDATE migrate_version SET version = 152", 6.0, 0.01)


def limit(counter: str, table: str = "") -> Limit:
    return Limit(counter, 0, "somewhere", table)


def altered(*works: TableWork, waits: tuple[Wait, ...] = (), unknown: str = "") -> Measurement:
    reasons = {unknown: "it cannot be had"} if unknown else {}
    statement = Statement(ALTER, 0.0, 5.9, unknown=reasons, works=works, waits=waits)
    return Measurement(6.0, unknown=reasons, statements=(statement, NOTED), waits=waits)


def test_time_and_counters_are_what_was_measured() -> None:
    measured = Measurement(1.5, {"wal_bytes": 7, "temp_bytes": None})

    assert figure(measured, limit("wall_s")) == Figure(1.5)
    assert figure(measured, limit("wal_bytes")) == Figure(7)
    assert figure(measured, limit("temp_bytes")) is None
    assert figure(measured, limit("tup_inserted")) is None
    assert figure(None, limit("wall_s")) is None


def test_the_longest_wait_of_a_kind_names_its_table_and_the_statement_that_was_waited_for() -> None:
    waits = (Wait("write", "orders", 5.8), Wait("write", "people", 0.2), Wait("read", "orders", 0.1))
    measured = altered(waits=waits)

    assert figure(measured, limit("writes_wait_s")) == Figure(5.8, "orders", ALTER)
    assert figure(measured, limit("reads_wait_s")) == Figure(0.1, "orders", ALTER)
    assert figure(measured, limit("writes_wait_s", "people")) == Figure(0.2, "people", ALTER)
    assert figure(measured, limit("writes_wait_s"), {"orders"}) == Figure(0.2, "people", ALTER)
    assert figure(measured, limit("writes_wait_s", "nowhere")) == Figure(0.0, "nowhere")


def test_nobody_waited_only_where_somebody_looked() -> None:
    assert figure(altered(), limit("reads_wait_s")) == Figure(0.0)
    assert figure(altered(unknown="waits"), limit("reads_wait_s")) is None
    assert figure(Measurement(1.0, unknown={"waits": "off"}, statements=(NOTED,)), limit("reads_wait_s")) is None
    assert figure(Measurement(1.0), limit("reads_wait_s")) is None


def test_a_wait_for_a_table_that_nobody_watched_is_not_known() -> None:
    measured = evolve(altered(waits=(Wait("write", "orders", 5.8),)), unwatched=("small",))
    assert figure(measured, limit("writes_wait_s", "small")) is None
    assert figure(measured, limit("writes_wait_s", "people")) == Figure(0.0, "people")
    assert figure(measured, limit("writes_wait_s")) == Figure(5.8, "orders", ALTER)


def test_the_largest_table_that_something_was_done_to_counts() -> None:
    measured = altered(
        TableWork("orders", "copy", 3_000_000, 41_000),
        TableWork("people", "copy", 5, 60_000),
        TableWork("x", "scan", 9),
    )

    assert figure(measured, limit("copied_rows")) == Figure(3_000_000, "orders", ALTER)
    assert figure(measured, limit("copied_bytes")) == Figure(60_000, "people", ALTER)
    assert figure(measured, limit("copied_rows"), {"orders"}) == Figure(5, "people", ALTER)
    assert figure(measured, limit("copied_rows", "people")) == Figure(5, "people", ALTER)
    assert figure(measured, limit("scanned_rows")) == Figure(9, "x", ALTER)
    assert figure(measured, limit("rebuilt_rows")) == Figure(0.0)


def test_work_on_a_table_of_unknown_size_may_be_more_than_what_is_known() -> None:
    measured = altered(TableWork("orders", "copy", None, 41_000), TableWork("people", "copy", 5, 6))

    assert figure(measured, limit("copied_rows")) == Figure(5, "people", ALTER, least=True)
    assert figure(measured, limit("copied_bytes")) == Figure(41_000, "orders", ALTER)
    assert figure(measured, limit("copied_rows"), {"orders"}) == Figure(5, "people", ALTER)


def test_nothing_was_done_only_where_somebody_looked() -> None:
    assert figure(altered(), limit("copied_rows")) == Figure(0.0)
    assert figure(altered(unknown="works"), limit("copied_rows")) == Figure(0.0, least=True)
    assert figure(altered(TableWork("orders", "copy", 7), unknown="works"), limit("copied_rows")) == Figure(
        7, "orders", ALTER, least=True
    )
    assert figure(Measurement(1.0), limit("copied_rows")) is None


@pytest.mark.parametrize("counter", ["wal_bytes", "Innodb_os_log_written"])
def test_the_log_of_one_statement_is_that_of_the_largest_and_of_one_call(counter: str) -> None:
    many = Statement("INSERT INTO a …", 0.0, 1.0, calls=100, counters={counter: 5_050})
    large = Statement("UPDATE a SET b = 1", 1.0, 1.0, counters={counter: 70})
    unknown = Statement("DELETE FROM a", 2.0, 1.0, counters={counter: None})

    assert figure(Measurement(2.0, statements=(many, large)), limit("statement_bytes")) == Figure(
        70, statement="UPDATE a SET b = 1"
    )
    assert figure(Measurement(2.0, statements=(many,)), limit("statement_bytes")) == Figure(
        51, statement="INSERT INTO a …"
    )
    assert figure(Measurement(2.0, statements=(many, unknown)), limit("statement_bytes")) == Figure(
        51, statement="INSERT INTO a …", least=True
    )
    assert figure(Measurement(2.0, statements=(unknown,)), limit("statement_bytes")) is None
    assert figure(Measurement(2.0), limit("statement_bytes")) is None


def test_counters_of_every_engine_can_have_limits() -> None:
    assert {"wall_s", "reads_wait_s", "copied_rows", "statement_bytes", "wal_bytes", "Handler_write"} <= known()
    assert {"peak_bytes", "temporary_bytes", "tables_rewritten"} <= known()
    assert "copied_row" not in known()
