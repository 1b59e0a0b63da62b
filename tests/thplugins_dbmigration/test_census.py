from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from thcore.errors import CancelledError
from thcore.model import Loss
from thcore.process.interrupt import Interrupt
from thplugins_dbmigration.census import (
    BEYOND,
    DISTINCT,
    INCOMPARABLE,
    WIDEST,
    Column,
    Count,
    Of,
    TableCensus,
    counted,
    losses,
    renamed,
    told_apart,
)
from thplugins_dbmigration.engines.mysql_programs import is_mariadb
from thplugins_dbmigration.engines.sqlite import SQLiteServer
from thplugins_dbmigration.measure import meaning, measured

from parts.servers import ALL, EMBEDDED, MARIADB, SYSTEM, WITH_SERVER, Ground, Kind, ground, query


def table(rows: int, **present: int) -> TableCensus:
    return TableCensus(rows, present)


def texts(rows: int, present: int, filled: int | None = None, distinct: int | None = None) -> TableCensus:
    """A table with one column."""
    return TableCensus(
        rows,
        {"name": present},
        {} if filled is None else {"name": filled},
        {} if distinct is None else {"name": distinct},
    )


def census(**tables: TableCensus) -> Mapping[str, TableCensus]:
    return tables


BEFORE = census(orders=table(100, id=100, conf=60, note=0), people=table(10, id=10, name=9))


def after(**tables: TableCensus | None) -> Mapping[str, TableCensus]:
    """What was before, with some tables changed, or gone."""
    return {name: now for name, now in {**BEFORE, **tables}.items() if now is not None}


def test_nothing_is_lost_when_nothing_changes_or_more_is_there() -> None:
    assert losses(BEFORE, BEFORE) == ()
    assert losses(BEFORE, after(orders=table(130, id=130, conf=130, note=5, added=0), new=table(0))) == ()
    assert losses({}, BEFORE) == ()


def test_rows_that_went_are_told_and_the_values_they_held_are_not() -> None:
    assert losses(BEFORE, after(orders=table(70, id=70, conf=30, note=0))) == (Loss("orders", None, 100, 70),)


def test_values_that_the_rows_that_went_cannot_explain_are_told() -> None:
    now = after(orders=table(70, id=70, conf=29, note=0))

    assert losses(BEFORE, now) == (Loss("orders", None, 100, 70), Loss("orders", "conf", 60, 29))


def test_values_are_missed_also_when_rows_were_added() -> None:
    assert losses(BEFORE, after(orders=table(200, id=200, conf=59, note=0))) == (Loss("orders", "conf", 60, 59),)


def test_a_dropped_column_is_told_only_when_it_held_values() -> None:
    assert losses(BEFORE, after(orders=table(100, id=100, conf=60))) == ()
    assert losses(BEFORE, after(orders=table(100, id=100, note=0))) == (Loss("orders", "conf", 60, None),)


def test_a_column_that_is_renamed_is_no_loss() -> None:
    assert losses(BEFORE, after(orders=table(100, id=100, settings=60, note=0))) == ()


def test_one_new_column_does_not_stand_for_two_that_were_dropped() -> None:
    before = census(orders=table(100, id=100, first=60, second=60))

    assert losses(before, census(orders=table(100, id=100, name=60))) == (Loss("orders", "second", 60, None),)


def test_a_new_column_with_another_number_of_values_does_not_stand_for_a_dropped_one() -> None:
    now = after(orders=table(100, id=100, note=0, flag=100))

    assert losses(BEFORE, now) == (Loss("orders", "conf", 60, None),)


def test_a_column_that_moved_into_another_table_is_no_loss_when_all_of_it_got_there() -> None:
    moved = {"orders": table(100, id=100, note=0)}

    assert losses(BEFORE, after(**moved, settings=table(60, order_id=60, conf=60))) == ()
    assert losses(BEFORE, after(**moved, people=table(10, id=10, name=9, conf=60))) == ()
    assert losses(BEFORE, after(**moved, settings=table(59, order_id=59, conf=59))) == (
        Loss("orders", "conf", 60, None),
    )


def test_a_dropped_table_is_told_once_and_not_column_by_column() -> None:
    assert losses(BEFORE, after(orders=None)) == (Loss("orders", None, 100, None),)
    assert losses(census(empty=table(0, id=0)), {}) == ()


def test_a_renamed_table_is_no_loss_and_is_compared_under_its_new_name() -> None:
    now = after(orders=None, sales=table(100, id=100, conf=60, note=0), others=table(100, x=100, y=0, z=0))
    assert renamed(BEFORE, now) == {"orders": "sales"}
    assert losses(BEFORE, now) == ()

    now = after(orders=None, sales=table(100, id=100, conf=58, note=0, more=3))
    assert losses(BEFORE, now) == (Loss("orders", "conf", 60, 58),)


def test_a_new_table_stands_for_one_that_vanished_only() -> None:
    before = census(a=table(5, id=5, x=1), b=table(5, id=5, x=1))

    assert renamed(before, census(c=table(5, id=5, x=1))) == {"a": "c"}
    assert losses(before, census(c=table(5, id=5, x=1))) == (Loss("b", None, 5, None),)


def test_the_books_of_the_tools_are_left_out() -> None:
    books = census(
        alembic_version=table(2, version_num=2),
        alembic_version_fab=table(1, version_num=1),
        migrate_version=table(1, version=1),
        _yoyo_migration=table(7, migration_id=7),
        django_migrations=table(9, id=9),
        **{"other.alembic_version": table(1, version_num=1)},
    )
    now = {"alembic_version": table(1, version_num=1)}

    assert losses(books, now) == ()
    assert losses(census(my_versions=table(1, v=1)), {}, apart={"my_versions"}) == ()
    assert losses(census(my_versions=table(1, v=1)), {}) == (Loss("my_versions", None, 1, None),)


def test_a_wide_table_is_counted_in_several_statements_and_required_columns_not_at_all() -> None:
    asked: list[Sequence[tuple[str, Of]]] = []

    def count(wanted: Sequence[tuple[str, Of]]) -> Sequence[int]:
        asked.append(wanted)
        return [9, *(3 for _ in wanted)]

    columns = [Column("id", required=True), *(Column(f"c{number}", required=False) for number in range(WIDEST + 1))]
    found = counted(columns, count)

    assert [len(names) for names in asked] == [WIDEST, 1]
    assert list(found.present) == [column.name for column in columns]
    assert (found.rows, found.present["id"], found.present["c500"]) == (9, 9, 3)
    assert counted([], lambda _names: [4]) == TableCensus(4, {})


def test_texts_that_are_not_empty_are_counted_in_the_same_pass_also_of_required_columns() -> None:
    asked: list[Sequence[tuple[str, Of]]] = []

    def count(wanted: Sequence[tuple[str, Of]]) -> Sequence[int]:
        asked.append(wanted)
        return [9, 7, 5, 4]

    columns = [Column("kind", required=True, text=True), Column("name", required=False, text=True)]
    found = counted(columns, count)

    assert asked == [[("name", Of.VALUES), ("kind", Of.TEXTS), ("name", Of.TEXTS)]]
    assert found == TableCensus(9, {"kind": 9, "name": 7}, {"kind": 5, "name": 4})


def test_distinct_values_are_counted_of_the_smallest_tables_up_to_a_number_of_values() -> None:
    asked: list[str] = []

    def asks(table: str) -> Count:
        def count(wanted: Sequence[tuple[str, Of]]) -> Sequence[int]:
            asked.append(table)
            assert all(of is Of.DISTINCT for _, of in wanted)
            return [0, *(3 for _ in wanted)]

        return count

    tables = {name: TableCensus(rows, {}) for name, rows in (("huge", DISTINCT), ("big", DISTINCT // 2), ("none", 0))}
    columns = {name: [Column("a", required=False, comparable=True), Column("b", required=False)] for name in tables}
    columns["huge"].append(Column("c", required=False, comparable=True))
    found = told_apart(tables, columns, {name: asks(name) for name in tables})

    assert asked == ["big"]
    assert {name: dict(census.distinct) for name, census in found.items()} == {"huge": {}, "big": {"a": 3}, "none": {}}
    assert {name: dict(census.untold) for name, census in found.items()} == {
        "huge": {"a": BEYOND, "b": INCOMPARABLE, "c": BEYOND},
        "big": {"b": INCOMPARABLE},
        "none": {},
    }


def test_texts_that_are_empty_now_are_told_unless_what_went_explains_it() -> None:
    before = census(people=texts(10, 8, 6))

    assert losses(before, census(people=texts(10, 8, 4))) == (Loss("people", "name", 6, 4, "emptied"),)
    assert losses(before, census(people=texts(10, 8, 6))) == ()
    assert losses(before, census(people=texts(8, 8, 4))) == (Loss("people", None, 10, 8),)
    assert losses(before, census(people=texts(10, 6, 4))) == (Loss("people", "name", 8, 6),)
    assert losses(before, census(people=texts(12, 10, 8))) == ()
    assert losses(before, census(people=texts(10, 8))) == (), "it is no text any more"


def test_values_that_are_the_same_now_are_told_where_nothing_else_went() -> None:
    before = census(people=texts(10, 8, 8, 5))

    assert losses(before, census(people=texts(10, 8, 8, 3))) == (Loss("people", "name", 5, 3, "merged"),)
    assert losses(before, census(people=texts(12, 10, 10, 3))) == (Loss("people", "name", 5, 3, "merged"),)
    assert losses(before, census(people=texts(9, 7, 7, 3))) == (Loss("people", None, 10, 9),)
    assert losses(before, census(people=texts(10, 7, 7, 3))) == (Loss("people", "name", 8, 7),)
    assert losses(before, census(people=texts(10, 8, 6, 3))) == (Loss("people", "name", 8, 6, "emptied"),)
    assert losses(before, census(people=texts(10, 8, 8))) == (), "it was not looked at"
    assert losses(before, census(people=texts(10, 8, 8, 6))) == ()


@pytest.fixture(params=ALL, ids=str)
def any_ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    with ground(tmp_path, request.param) as made:
        yield made


SEED = """\
CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(20), kind VARCHAR(9) NOT NULL);
INSERT INTO things VALUES (1, 'one', 'x');
INSERT INTO things VALUES (2, NULL, 'y');
INSERT INTO things VALUES (3, '', '');
CREATE TABLE Odd_100 (odd INTEGER, twice INTEGER GENERATED ALWAYS AS (odd * 2) STORED);
INSERT INTO Odd_100 (odd) VALUES (NULL);
CREATE TABLE blank (id INTEGER);
CREATE VIEW seen AS SELECT * FROM things;
CREATE TEMPORARY TABLE passing (id INTEGER);
"""


@pytest.mark.system
def test_rows_and_values_are_counted_exactly_and_only_those_of_tables(any_ground: Ground) -> None:
    with any_ground.server() as server:
        address = server.create("app", "app", "password")
        server.load(any_ground.build, address, any_ground.seed(SEED))
        found = server.census(address)

    assert {name.lower(): count for name, count in found.items()} == {
        "things": TableCensus(
            3, {"id": 3, "name": 2, "kind": 3}, {"name": 1, "kind": 2}, {"id": 3, "name": 2, "kind": 3}
        ),
        "odd_100": TableCensus(1, {"odd": 0}, {}, {"odd": 0}),
        "blank": TableCensus(0, {"id": 0}),
    }


@pytest.mark.system
def test_names_are_taken_as_they_are_however_odd(any_ground: Ground) -> None:
    quote = "`" if any_ground.engine.name == "mysql" else '"'
    odd = f"50% {{a}}; {quote}{quote}%s"
    with any_ground.server() as server:
        address = server.create("app", "app", "password")
        server.load(
            any_ground.build,
            address,
            any_ground.seed(f"CREATE TABLE {quote}{odd}{quote} ({quote}{odd}{quote} INTEGER);\n"),
        )
        name = odd.replace(quote * 2, quote)
        assert server.census(address) == {name: TableCensus(0, {name: 0})}


@pytest.mark.system
def test_a_function_of_the_database_does_not_count_in_the_servers_place(tmp_path: Path) -> None:
    seed = """\
CREATE FUNCTION nothing(bigint, text) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE AGGREGATE count(text) (SFUNC = nothing, STYPE = bigint, INITCOND = '0');
CREATE TABLE things (name TEXT);
INSERT INTO things VALUES ('one');
"""
    with ground(tmp_path, EMBEDDED) as made, made.server() as server:
        address = server.create("app", "app", "password")
        server.load(made.build, address, made.seed(seed))
        assert server.census(address) == {"things": TableCensus(1, {"name": 1}, {"name": 1}, {"name": 1})}


@pytest.mark.system
@pytest.mark.parametrize("kind", [EMBEDDED, SYSTEM], ids=str)
def test_a_partitioned_table_is_counted_once_and_other_schemas_by_their_name(kind: Kind, tmp_path: Path) -> None:
    seed = """\
CREATE TABLE parted (day INTEGER, name TEXT) PARTITION BY RANGE (day);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1, 'a'), (11, NULL);
CREATE TABLE base (id INTEGER);
CREATE TABLE derived (more INTEGER) INHERITS (base);
INSERT INTO derived VALUES (1, 2), (2, NULL);
CREATE SCHEMA side;
CREATE TABLE side.things ();
INSERT INTO side.things DEFAULT VALUES;
CREATE MATERIALIZED VIEW seen AS SELECT * FROM parted;
"""
    with ground(tmp_path, kind) as made, made.server() as server:
        address = server.create("app", "app", "password")
        server.load(made.build, address, made.seed(seed))
        assert server.census(address) == {
            "parted": TableCensus(2, {"day": 2, "name": 1}, {"name": 1}, {"day": 2, "name": 1}),
            "base": TableCensus(0, {"id": 0}),
            "derived": TableCensus(2, {"id": 2, "more": 1}, {}, {"id": 2, "more": 1}),
            "side.things": TableCensus(1, {}),
        }


@pytest.mark.system
def test_a_table_that_keeps_its_history_is_counted_as_it_is_now(tmp_path: Path) -> None:
    with ground(tmp_path, MARIADB) as made, made.server() as server:
        if not is_mariadb(made.installation):
            pytest.skip("MySQL has no tables that keep their history")
        address = server.create("app", "app", "password")
        server.load(
            made.build,
            address,
            made.seed(
                "CREATE TABLE kept (id INTEGER, name TEXT) WITH SYSTEM VERSIONING;\n"
                "INSERT INTO kept VALUES (1, 'a'), (2, 'b');\nDELETE FROM kept WHERE id = 1;\n"
            ),
        )
        found = server.census(address)["kept"]
        assert (found.rows, found.present["id"], found.present["name"]) == (1, 1, 1)


@pytest.mark.system
@pytest.mark.parametrize("kind", WITH_SERVER, ids=str)
def test_a_census_is_in_the_counters_of_no_step(kind: Kind, tmp_path: Path) -> None:
    statements = ("UPDATE things SET name = 'changed'", "ALTER TABLE things ADD COLUMN more INTEGER", "DELETE FROM odd")
    seed = "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(20));\n" + "".join(
        f"INSERT INTO things VALUES ({number}, 'name');\n" for number in range(500)
    )
    seed += "CREATE TABLE odd (id INTEGER);\nINSERT INTO odd VALUES (1), (2);\n"

    def walk(directory: Path, *, counting: bool) -> list[dict[str, int | None]]:
        told = []
        with ground(directory, kind) as made, made.server() as server:
            address = server.create("app", "app", "password")
            server.load(made.build, address, made.seed(seed))
            server.settle(address)
            server.counters(address)
            for statement in statements:
                if counting:
                    server.census(address)
                before = server.counters(address)
                query(address, statement)
                counters = measured(made.engine.name, before, server.counters(address))
                told.append({name: value for name, value in counters.items() if _counts_rows(made.engine.name, name)})
        return told

    without = walk(tmp_path / "without", counting=False)
    assert walk(tmp_path / "with", counting=True) == without
    changed = [counters["XInnodb_rows_changed"] or 0 for counters in without]
    assert changed[0] >= 500
    assert changed[-1] >= 2


def _counts_rows(engine: str, counter: str) -> bool:
    """Bytes and pages are not the same on any two runs: what is no longer needed is cleaned up when there is time."""
    known = meaning(engine, counter)
    return known is not None and known.unit in {"rows", "requests", "transactions", "tables"}


def test_a_long_count_in_sqlite_ends_with_the_build(tmp_path: Path) -> None:
    looks: list[int] = []

    def check() -> None:
        looks.append(len(looks))
        if len(looks) >= 3:  # the first is between tables, the others are while a table is counted
            raise CancelledError("enough")

    server = SQLiteServer(tmp_path, check)
    address = server.create("app", "", "")
    query(
        address,
        "CREATE TABLE a AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) "
        "SELECT i FROM n",
    )
    with pytest.raises(CancelledError):
        server.census(address)


@pytest.mark.system
@pytest.mark.parametrize("kind", [MARIADB, EMBEDDED], ids=str)
def test_a_census_looks_between_tables_whether_the_build_was_told_to_end(kind: Kind, tmp_path: Path) -> None:
    def be_cancelled() -> None:
        with Interrupt() as interrupt, ground(tmp_path, kind, interrupt=interrupt) as made, made.server() as server:
            address = server.create("app", "app", "password")
            query(address, "CREATE TABLE a (i INTEGER)")
            assert server.census(address) == {"a": TableCensus(0, {"i": 0})}
            interrupt.cancel("enough")
            server.census(address)

    with pytest.raises(CancelledError):
        be_cancelled()
