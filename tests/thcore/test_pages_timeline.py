"""What the timeline draws of a build, and what it says of what it leaves out."""

from __future__ import annotations

import datetime

import pytest
from attrs import evolve

from thcore.model import DatasetRun, Limit, Outcome, StageName, StepResult
from thcore.pages import result
from thcore.pages.timeline import MOST_DATASETS, MOST_STEPS, Lane, Timeline, timeline

from parts import outcomes


def drawn(of: Outcome) -> Timeline:
    return timeline(of, result.datasets(of))


def lanes(of: Outcome, chart: int) -> dict[str, Lane]:
    return {lane.name: lane for lane in drawn(of).charts[chart].lanes}


def with_steps(of: Outcome, change: dict[str, object]) -> Outcome:
    """The outcome with something else in the measurement of every step."""

    def changed(step: StepResult) -> StepResult:
        return evolve(step, measurement=evolve(step.measurement, **change) if step.measurement else None)

    return evolve(of, datasets=tuple(evolve(run, steps=tuple(map(changed, run.steps))) for run in of.datasets))


def test_stages_and_datasets_stand_where_they_began_and_datasets_below_the_stage_that_runs_them() -> None:
    of = outcomes.failing()
    build = lanes(of, 0)

    assert list(build) == ["checkout", "environment", "execute", "shop-mariadb", "shop-postgresql", "analyse"]
    execute, steps = build["execute"].bands[0].pieces[0], build["shop-mariadb"].bands[0].pieces
    began = of.datasets[1].steps[0].measurement
    assert began is not None
    assert began.began is not None
    assert steps[0].start == pytest.approx(100 * (began.began - of.started.timestamp()) / of.duration_s, abs=0.01)
    assert execute.start < steps[0].start
    assert steps[-1].end < execute.end
    assert (build["shop-mariadb"].detail, build["shop-mariadb"].more) == ("2 m 20 s", "12 steps")
    assert build["shop-mariadb"].indent > build["execute"].indent


def test_lanes_do_not_lie_on_each_other() -> None:
    charts = drawn(outcomes.watched()).charts
    edges = [edge for chart in charts for lane in chart.lanes for edge in (lane.y, lane.bottom)]

    assert edges == sorted(edges)
    assert charts[0].bottom <= charts[1].top
    assert drawn(outcomes.watched()).height == charts[-1].bottom


def test_what_is_above_a_limit_is_a_piece_of_its_own_from_the_limit_on() -> None:
    lane = lanes(outcomes.failing(), 1)["shop-mariadb: Add orders.archived_at and index it"]
    within, above = lane.bands[0].pieces

    assert lane.limit == pytest.approx(100 * 60 / (74.3 * 1.02), abs=0.01)
    assert (within.tone, above.tone, above.words) == ("success", "failure", "14 s above its limit")
    assert within.end == pytest.approx(above.start, abs=0.01) == pytest.approx(lane.limit, abs=0.01)
    assert lane.more == "limit 1 m 00 s"


def test_a_limit_far_beyond_all_steps_is_told_and_not_drawn() -> None:
    of = outcomes.passing()
    far = (Limit("wall_s", 3600.0, "config.json"),)
    runs = tuple(evolve(run, steps=tuple(evolve(step, limits=far) for step in run.steps)) for run in of.datasets)

    for lane in lanes(evolve(of, datasets=runs), 1).values():
        assert lane.limit is None
        assert lane.more == "limit 1 h 00 m"


def test_statements_locks_and_waits_are_bands_below_their_step() -> None:
    lane = lanes(outcomes.watched(), 1)["shop-mariadb: Add orders.archived_at and index it"]
    _, statements, locks, waits = lane.bands

    assert [piece.tone for piece in statements.pieces] == ["statement", "statement", "statement", "failure"]
    (wait,) = waits.pieces
    assert wait.words == "writers of orders waited 41 s", "ten milliseconds of a reader are no wait"
    assert wait.start == pytest.approx(100 * 0.5 / (74.3 * 1.02), abs=0.01)
    assert [piece.words for piece in locks.pieces] == [
        "orders locked against readers and writers for 0.06 s (EXCLUSIVE)",
        "orders locked against writers for 41 s (SHARED_NO_WRITE)",
    ], "neither rows nor what only other changes of the schema wait for"


def test_steps_that_failed_or_did_not_run_are_told_apart() -> None:
    broken = outcomes.dataset("shop", "MariaDB", "10.11.6", outcomes.steps(broken=True))
    steps = lanes(evolve(outcomes.failing(), datasets=(broken,)), 1)

    (lane,) = steps.values()  # what did not run took no time
    assert lane.name == "Add orders.archived_at and index it", "one dataset needs no name"
    assert lane.more == "failed, limit 1 m 00 s"
    assert [piece.tone for piece in lane.bands[0].pieces] == ["failure"]


def test_steps_that_an_earlier_build_ran_are_not_in_this_one() -> None:
    of = outcomes.passing()
    old = tuple(evolve(step, from_snapshot=not step.added) for step in of.datasets[0].steps)
    build = lanes(evolve(of, datasets=(evolve(of.datasets[0], steps=old),)), 0)

    assert build["shop-mariadb"].more == "2 steps"
    assert {piece.tone for piece in build["shop-mariadb"].bands[0].pieces} == {"success"}


def test_where_nobody_noted_when_steps_began_they_follow_each_other_and_it_is_said() -> None:
    of = with_steps(outcomes.passing(), {"began": None})
    execute = next(stage for stage in of.stages if stage.name is StageName.EXECUTE)
    assert execute.started is not None
    pieces = lanes(of, 0)["shop-mariadb"].bands[0].pieces

    start = 100 * (execute.started - of.started).total_seconds() / of.duration_s
    assert pieces[0].start == pytest.approx(start, abs=0.01)
    assert [note for note in drawn(of).notes if "was not noted" in note]
    assert not [note for note in drawn(outcomes.passing()).notes if "was not noted" in note]


def test_short_steps_before_the_change_are_drawn_as_one() -> None:
    of = with_steps(outcomes.passing(), {"wall_s": 0.01})
    pieces = lanes(of, 0)["shop-mariadb"].bands[0].pieces

    assert [piece.tone for piece in pieces].count("earlier") < 10
    assert [piece.tone for piece in pieces].count("success") == 2, "each step of the change for itself"


def test_of_very_many_those_with_trouble_are_drawn_and_the_others_are_counted() -> None:
    base = outcomes.passing()
    slow = outcomes.dataset("slow", "MariaDB", "10.11.6", outcomes.steps())
    runs = tuple(evolve(base.datasets[0], name=f"fine-{number}") for number in range(50))
    picture = drawn(evolve(base, datasets=(*runs, slow)))

    assert sum(lane.target.startswith("dataset-") for lane in picture.charts[0].lanes) == MOST_DATASETS
    assert len(picture.charts[1].lanes) == MOST_STEPS
    assert picture.charts[1].lanes[0].name.startswith("slow: "), "what is over its limit is never left out"
    assert picture.notes[1:] == (
        f"{51 - MOST_DATASETS} more datasets are in the table of datasets.",
        f"{102 - MOST_STEPS} shorter steps of this change are in the tables of the datasets.",
    )


def test_a_build_without_stages_has_no_picture() -> None:
    bare = evolve(outcomes.cancelled(), stages=())

    assert drawn(bare).charts == ()
    assert drawn(bare).height == 0


def test_a_build_that_took_no_time_and_clocks_that_jumped_still_make_a_picture() -> None:
    of = outcomes.passing()
    at_once = evolve(of, ended=of.started)
    assert drawn(at_once).charts
    backwards = with_steps(of, {"began": (of.started - datetime.timedelta(days=3)).timestamp()})
    assert all(
        0 <= piece.start <= 100 and 0 < piece.length <= 100
        for chart in drawn(backwards).charts
        for lane in chart.lanes
        for band in lane.bands
        for piece in band.pieces
    )


def test_only_what_is_in_the_picture_is_explained() -> None:
    assert drawn(outcomes.cancelled()).kinds == {"stage", "stopped"}
    assert drawn(outcomes.watched()).kinds == {
        "stage", "earlier", "success", "failure", "limit", "statement", "lock", "wait"
    }  # fmt: skip


def test_an_unused_dataset_has_no_lane() -> None:
    unused = DatasetRun("unused", "MariaDB", "10.11.6", "sha256:00", "alembic")

    assert "unused" not in lanes(evolve(outcomes.passing(), datasets=(unused,)), 0)
