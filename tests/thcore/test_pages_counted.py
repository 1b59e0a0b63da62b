"""What the result page tells of the counts before and after a step."""

from __future__ import annotations

from attrs import evolve

from thcore.model import Census, ColumnCount, Count, Loss, Outcome, StepResult, TableCount
from thcore.pages import html as pages
from thcore.pages.counted import counted

from parts import outcomes

TEXT = {"empty": "it is no column of text"}
CENSUS = Census(
    (
        TableCount(
            "orders",
            Count(1000, 970),
            (
                ColumnCount("id", Count(0, 0), Count(), Count(1000, 970), TEXT),
                ColumnCount("conf", Count(1, 40), Count(5, 5), Count(7, None), {"distinct": "too many"}),
            ),
        ),
        TableCount("shops", Count(None, 4), unknown={"before": "it was not there"}),
        TableCount("people", Count(10, 10), renamed="users"),
    ),
    {"log": 12, "audit": 30},
)
LOSSES = (Loss("orders", None, 1000, 970), Loss("orders", "conf", 999, 930))


def step(census: Census | None = CENSUS, *losses: Loss) -> StepResult:
    return evolve(outcomes.passing().datasets[0].steps[10], census=census, losses=losses)


def of(result: StepResult) -> Outcome:
    base = outcomes.passing()
    return evolve(base, datasets=(evolve(base.datasets[0], steps=(result,)),))


def test_tables_and_columns_are_lines_with_their_counts_before_and_after() -> None:
    page = pages.result_page(of(step(CENSUS, *LOSSES))).decode()

    assert "3 tables that it touched" in page
    for words in (
        "1,000 → 970",
        "1 → 40",
        "7 → \N{EN DASH}",
        "\N{EN DASH} → 4",
        "people → users",
        "too many",
        "it was not there",
    ):
        assert words in page
    assert "it is no column of text" not in page, "that is plain to see"
    assert "No listed statement names 2 other tables with 42 rows." in page


def test_of_a_column_that_lost_values_and_texts_both_are_marked() -> None:
    losses = (Loss("orders", "conf", 999, 930), Loss("orders", "conf", 994, 925, "emptied"))
    told = counted(step(CENSUS, *losses))
    assert told is not None
    (line,) = (each for each in told.lines if each.column == "conf")
    assert [figure.lost for figure in (line.nulls, line.empty, line.distinct) if figure] == [True, True, False]


def test_what_vanished_is_marked_and_what_only_changed_is_not() -> None:
    page = pages.result_page(of(step(CENSUS, *LOSSES))).decode()
    assert "something vanished" in page
    assert '<b class="unverified">1,000 → 970</b>' in page
    assert '<b class="unverified">1 → 40</b>' in page
    assert '<b class="unverified">7 → \N{EN DASH}</b>' not in page

    page = pages.result_page(of(step())).decode()
    assert "something vanished" not in page
    assert '<b class="unverified">1,000' not in page


def test_emptied_texts_and_merged_values_are_marked_where_they_are_counted() -> None:
    for kind, place in (("gone", 0), ("emptied", 1), ("merged", 2)):
        seen = counted(step(CENSUS, Loss("orders", "conf", 9, 3, kind)))
        assert seen is not None
        line = next(line for line in seen.lines if line.column == "conf")
        told = [figure.lost for figure in (line.nulls, line.empty, line.distinct) if figure]
        assert told == [number == place for number in range(3)]


def test_of_many_lines_those_that_tell_of_a_loss_or_a_change_are_kept_in_their_order() -> None:
    seen = counted(step(evolve(CENSUS, left_out=100), LOSSES[1]), 2)

    assert seen is not None
    assert [(line.table, line.column) for line in seen.lines] == [("orders", ""), ("orders", "conf")]
    assert seen.left_out == 103


def test_why_nothing_is_known_after_a_step_is_told() -> None:
    failed = evolve(CENSUS, tables=(TableCount("orders", Count(3)),), unknown={"after": "the step failed"})
    assert "After the step: the step failed." in pages.result_page(of(step(failed))).decode()
    inferred = evolve(CENSUS, inferred="not counted again")
    assert "After the step: not counted again." in pages.result_page(of(step(inferred))).decode()


def test_there_is_nothing_to_show_of_a_step_that_touched_nothing() -> None:
    assert counted(step(None)) is None
    assert counted(step(Census(untouched={"a": 1}))) is None
