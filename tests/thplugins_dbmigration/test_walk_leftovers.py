"""What a step that failed has left behind in the schema."""

from __future__ import annotations

from thplugins_dbmigration.schema import Part
from thplugins_dbmigration.walk.leftovers import MOST, leftovers

BEFORE = {
    Part("table", "t"): "InnoDB",
    Part("column", "t", "id"): "int not null",
    Part("index", "t", "old"): "(id)",
}


def test_nothing_is_told_where_all_was_taken_back() -> None:
    assert leftovers(BEFORE, dict(BEFORE)) == ()


def test_what_is_new_gone_or_changed_is_told_part_by_part() -> None:
    after = {
        Part("table", "t"): "InnoDB",
        Part("column", "t", "id"): "bigint not null",
        Part("column", "t", "extra"): "int",
    }
    assert leftovers(BEFORE, after)[:-1] == (
        "left behind: column t.extra",
        "left behind: index t.old is gone",
        "left behind: column t.id is changed: int not null -> bigint not null",
    )


def test_a_new_table_stands_for_its_columns() -> None:
    after = {**BEFORE, Part("table", "more"): "InnoDB", Part("column", "more", "id"): "int"}
    assert leftovers(BEFORE, after)[:-1] == ("left behind: table more",)


def test_an_index_that_is_not_whole_is_told_as_that() -> None:
    (line, _) = leftovers(BEFORE, {**BEFORE, Part("index", "t", "u"): "INVALID unique btree (mail)"})
    assert line.startswith("left behind: index t.u, which is invalid")


def test_tables_of_tools_are_not_told() -> None:
    assert leftovers(BEFORE, {**BEFORE, Part("table", "alembic_version"): "InnoDB"}) == ()


def test_what_is_too_much_to_read_is_counted() -> None:
    after = {**BEFORE, **{Part("column", "t", f"c{number:02}"): "int" for number in range(MOST + 3)}}
    told = leftovers(BEFORE, after)
    assert len(told) == MOST + 2
    assert told[MOST] == "and 3 more"
