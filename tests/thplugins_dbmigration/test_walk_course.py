"""Which steps a leg runs, and whether it got where it leads."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import evolve

from thcore.model import Step
from thplugins_dbmigration.tools.tool import Enough, Plan
from thplugins_dbmigration.walk.course import Course, fits, meant, named
from thplugins_dbmigration.walk.release import Fixup

LINE = ("1", "2", "3", "4")


def plan(*versions: str, current: str = "0", chain: str = "") -> Plan:
    """A line of steps."""
    steps = tuple(Step(to, (start,), chain=chain) for start, to in zip((current, *versions), versions, strict=False))
    head = versions[-1] if versions else current
    return Plan(frozenset({current}), frozenset({head}), steps, chain=chain)


def chosen(steps: Sequence[Step]) -> str:
    return " ".join(step.version for step in steps)


def ended(**chains: str) -> dict[str, frozenset[str]]:
    return {chain.removeprefix("main"): frozenset(text.split()) for chain, text in chains.items()}


@pytest.mark.parametrize(
    ("target", "version", "same"),
    [
        ("412", "412", True),
        ("3", "003", True),
        ("3", "30", False),
        ("0d9e73", "0d9e73a75ee4", True),
        ("0d9e7", "0d9e73a75ee4", False),
        ("shop.0002_x", "shop.0002_x", True),
        ("newton", "newton", True),
        ("new", "newton", False),
    ],
)
def test_a_version_is_named_in_full_by_its_number_or_by_the_beginning_of_its_hash(
    target: str, version: str, same: bool
) -> None:
    assert fits(target, version) is same


@pytest.mark.parametrize(
    ("name", "chain", "versions"),
    [
        ("3", "", ["3"]),
        ("003", "", ["3"]),
        ("9", "", []),
        ("0d9e73", "", ["0d9e73a75ee4", "0d9e73ffffff"]),
        ("0d9e73a75ee4", "", ["0d9e73a75ee4"]),
        ("3", "fab", None),
        ("fab:3", "fab", ["3"]),
        ("fab:9", "fab", []),
        ("fab:3", "", None),
        ("odd:one", "", ["odd:one"]),
    ],
)
def test_a_step_is_named_by_the_version_that_it_leads_to_with_its_chain_in_front(
    name: str, chain: str, versions: list[str] | None
) -> None:
    found = meant(name, plan("3", "0d9e73a75ee4", "0d9e73ffffff", "odd:one", chain=chain))
    assert (None if found is None else [step.version for step in found]) == versions


def test_without_a_target_every_chain_goes_to_its_head() -> None:
    course = Course()
    assert chosen(course.choose(plan(*LINE))) == "1 2 3 4"
    assert chosen(course.choose(plan("b", current="a", chain="fab"))) == "b"
    assert course.missed(ended(main="4", fab="b")) == ()


def test_a_chain_that_is_not_at_its_head_is_told_with_its_name() -> None:
    course = Course()
    course.choose(plan(*LINE))
    course.choose(plan("b", current="a", chain="fab"))
    assert course.missed(ended(main="4", fab="a")) == ("expected: fab:b", "found: fab:a")


def test_a_target_ends_its_own_chain_and_no_other() -> None:
    course = Course(("2",))
    assert chosen(course.choose(plan(*LINE))) == "1 2"
    assert chosen(course.choose(plan("b", current="a", chain="fab"))) == "b"
    assert course.missed(ended(main="2", fab="b")) == ()
    assert course.expected("") == {"2"}
    assert course.missed(ended(main="1", fab="b")) == ("expected: 2", "found: 1")


def test_several_targets_of_a_chain_with_two_heads_are_all_reached() -> None:
    steps = (Step("x", ("0",)), Step("y", ("0",)), Step("z", ("y",)))
    course = Course(("x", "y"))
    assert chosen(course.choose(Plan(frozenset({"0"}), frozenset({"x", "z"}), steps))) == "x y"
    assert course.missed(ended(main="x y")) == ()
    assert course.missed(ended(main="x")) != ()


def test_a_target_may_be_another_name_of_a_version() -> None:
    names = {"newton": ("2",), "expand@head": ("3",), "kilo": ("x",)}
    for target, way in (("newton", "1 2"), ("expand@head", "1 2 3")):
        course = Course((target,))
        assert chosen(course.choose(evolve(plan(*LINE), names=names))) == way
        assert course.missed(ended(main=way[-1])) == ()
        assert course.missed(ended(main="1")) == (f"expected: {way[-1]}", "found: 1")
    course = Course(("kilo",))
    course.choose(evolve(plan(*LINE), names=names))
    assert course.missed(ended(main="4")) == ("There is no version kilo ahead of the database.",)


def test_a_target_that_nobody_has_is_an_error_and_not_the_head() -> None:
    course = Course(("9",))
    course.choose(plan(*LINE))
    assert course.missed(ended(main="4")) == ("There is no version 9 ahead of the database.",)


def test_a_target_that_the_database_is_past_runs_nothing() -> None:
    course = Course(("2",))
    assert course.choose(plan("4", "5", current="3")) == ()
    assert course.missed(ended(main="3")) == ()


def test_a_run_ends_where_a_fixup_is_due_and_the_next_one_goes_on() -> None:
    fixup = Fixup("2", sql="f.sql")
    course = Course((), [fixup])
    *runs, following = course.choose(plan(*LINE))
    assert chosen(runs) == "1 2"
    for step in runs:
        course.before(step)
    with pytest.raises(Enough):
        course.before(following)
    with pytest.raises(Enough):
        course.choose(plan("b", current="a", chain="fab"))
    assert course.due == fixup
    course.fixed()
    rest = course.choose(plan("3", "4", current="2"))
    assert chosen(rest) == "3 4"
    for step in rest:
        course.before(step)
    assert chosen(course.choose(plan("b", current="a", chain="fab"))) == "b"
    assert course.due is None
    assert course.done == [fixup]
    assert course.missed(ended(main="4", fab="b")) == ()


def test_a_fixup_at_the_end_of_a_chain_keeps_the_next_chain_waiting() -> None:
    course = Course((), [Fixup("4", sql="f.sql")])
    assert chosen(course.choose(plan(*LINE))) == "1 2 3 4"
    with pytest.raises(Enough):
        course.choose(plan("b", current="a", chain="fab"))


def test_a_fixup_at_the_version_where_a_leg_begins_comes_before_every_step() -> None:
    course = Course((), [Fixup("0", sql="f.sql")])
    with pytest.raises(Enough):
        course.choose(plan(*LINE))
    assert course.due is not None


def test_two_fixups_at_one_version_are_run_in_their_order() -> None:
    first, second = Fixup("0", sql="1.sql"), Fixup("0", sql="2.sql")
    course = Course((), [first, second])
    for _ in range(2):
        with pytest.raises(Enough):
            course.choose(plan(*LINE))
        course.fixed()
    assert course.done == [first, second]


def test_versions_of_other_chains_carry_their_name() -> None:
    assert named(ended(main="d c", fab="x")) == ("c", "d", "fab:x")
