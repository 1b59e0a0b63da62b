"""Differences of counters and turbo-hipster's names for them."""

from __future__ import annotations

import pytest

from thplugins_dbmigration.measure import difference, meaning, measured
from thplugins_dbmigration.measure.counters import LEGACY, MEANINGS, OWN, STATEMENTS


def test_a_difference_knows_only_what_both_readings_know() -> None:
    before = {"same": 5, "more": 1, "less": 9, "unknown": None, "lost": 3, "gone": 1}
    after = {"same": 5, "more": 4, "less": 2, "unknown": 3, "lost": None, "new": 1}
    assert difference(before, after) == {
        "same": 0, "more": 3, "less": -7, "unknown": None, "lost": None, "gone": None, "new": None,
    }  # fmt: skip


def test_mysql_s_own_row_counters_are_taken_where_there_are_some() -> None:
    names = ("Innodb_rows_read", "Innodb_rows_inserted", "Innodb_rows_updated", "Innodb_rows_deleted", "Handler_write")
    delta = measured("mysql", dict.fromkeys(names, 0), dict(zip(names, (7, 1, 2, 4, 99), strict=True)))
    assert (delta["Innodb_rows_read"], delta["XInnodb_rows_changed"]) == (7, 7)


def test_mariadb_s_handler_counters_stand_in_for_them() -> None:
    names = ("Rows_read", "Handler_write", "Handler_update", "Handler_delete")
    after: dict[str, int | None] = dict(zip(names, (7, 1, 2, 4), strict=True))
    before: dict[str, int | None] = dict.fromkeys(names, 0)
    delta = measured("mysql", before | {"Innodb_rows_read": None}, after | {"Innodb_rows_read": None})
    assert (delta["Innodb_rows_read"], delta["XInnodb_rows_changed"]) == (7, 7)


def test_without_any_row_counter_nothing_is_claimed() -> None:
    for engine in ("mysql", "postgresql", "sqlite", "another"):
        delta = measured(engine, {"x": 1}, {"x": 2})
        assert delta == {"x": 1, "Innodb_rows_read": None, "XInnodb_rows_changed": None}


def test_postgresql_s_tuples_stand_in_for_them() -> None:
    names = ("tup_returned", "tup_inserted", "tup_updated", "tup_deleted")
    before: dict[str, int | None] = dict.fromkeys(names, 10)
    delta = measured("postgresql", before, dict(zip(names, (17, 11, 12, 14), strict=True)))
    assert (delta["Innodb_rows_read"], delta["XInnodb_rows_changed"]) == (7, 7)
    assert measured("postgresql", before | {"tup_deleted": None}, before)["XInnodb_rows_changed"] is None


@pytest.mark.parametrize("engine", sorted(MEANINGS))
def test_every_counter_has_a_unit_and_a_meaning(engine: str) -> None:
    for counter in (*MEANINGS[engine], *STATEMENTS.get(engine, ()), *LEGACY, *OWN):
        found = meaning(engine, counter)
        assert found is not None
        assert found.unit
        assert found.text
    assert meaning(engine, "nix") is None
