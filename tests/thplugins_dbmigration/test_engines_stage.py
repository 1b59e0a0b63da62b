"""What is different between two layouts of a database."""

from __future__ import annotations

from thplugins_dbmigration.engines.stage import Change, Relation, changes


def table(storage: str, *indexes: str) -> Relation:
    return Relation(frozenset(storage.split()), frozenset(indexes))


def test_a_table_that_is_stored_where_it_was_has_not_changed() -> None:
    layout = {"a": table("1", "i"), "b": table("2")}
    assert changes(layout, layout) == ()


def test_new_dropped_rewritten_and_indexed_tables_are_told_apart() -> None:
    before = {"a": table("1"), "b": table("2"), "c": table("3"), "d": table("4", "i")}
    after = {"a": table("1", "j"), "b": table("5"), "d": table("4"), "e": table("6"), "f": table("7")}
    assert set(changes(before, after)) == {
        Change("a", "a", indexed=True),
        Change("b", "b", anew=True),
        Change("c", "c", gone=True),
        Change("d", "d"),
        Change("e", None),
        Change("f", None),
    }


def test_tables_that_swap_their_names_are_not_written_anew() -> None:
    before = {"a": table("1"), "b": table("2")}
    assert set(changes(before, {"a": table("2"), "b": table("1")})) == {Change("a", "b"), Change("b", "a")}
    assert set(changes(before, {"a": table("2"), "old": table("1")})) == {Change("a", "b"), Change("old", "a")}


def test_a_table_that_is_written_anew_under_another_name_is_still_the_same() -> None:
    assert changes({"a": table("1")}, {"b": table("2")}) == (Change("b", "a", anew=True),)


def test_a_partition_more_or_less_leaves_the_others_where_they_are() -> None:
    two, three = {"a": table("1 2", "i", "j")}, {"a": table("1 2 3", "i", "j", "k")}
    assert changes(two, three) == changes(three, two) == (Change("a", "a"),)
    assert changes(two, {"a": table("4 5", "k", "l")}) == (Change("a", "a", anew=True),)
