from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from attrs import evolve

from thcore.model import Excuse, JobHistory, Limit, Measurement, Outcome, PastAttempt, Publication, Severity, Verdict
from thcore.pages import history, html
from thcore.pages.history import published, view

from parts import outcomes
from parts.builds import JOB, build, job_history, limited

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}\u202egnp.exe\x1b[31m\x00\n\udcff'


class Elements(HTMLParser):
    """Names of the elements of a page and of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def of(*given: Outcome) -> JobHistory:
    return JobHistory(JOB, tuple(map(PastAttempt.of, reversed(given))))


def rendered(past: JobHistory, this: Outcome | None = None) -> str:
    return html.history_page(past, ("45", "12345"), this=this).decode()


def test_builds_stand_newest_first_with_the_one_whose_page_it_is() -> None:
    seen = view(job_history(3), build(outcomes.failing(), 3))

    assert [each.attempt.build for each in seen.builds] == ["b3", "b2", "b1", "b0"]
    assert [each.this for each in seen.builds] == [True, False, False, False]
    assert [each.address for each in seen.builds] == [None, *(f"https://logs.example.org/{n}/" for n in (2, 1, 0))]
    assert seen.verdicts == ((Verdict.SUCCESS, 3), (Verdict.FAILURE, 1))


def test_an_attempt_that_is_published_again_is_there_once() -> None:
    seen = view(job_history(3), build(outcomes.passing(), 2))

    assert [(each.attempt.build, each.this) for each in seen.builds] == [("b2", True), ("b1", False), ("b0", False)]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://logs.example.org/1/", "https://logs.example.org/1/"),
        ("file:///srv/logs/1/index.html", "file:///srv/logs/1/index.html"),
        ("javascript:alert(1)", None),
        ("JavaScript:alert(1)", None),
        ("data:text/html,x", None),
        ("http://[", None),
        (None, None),
    ],
)
def test_a_link_leads_only_where_a_browser_may_go(url: str | None, address: str | None) -> None:
    (attempt,) = of(outcomes.passing()).attempts
    assert published(evolve(attempt, url=url)) == address


def test_durations_of_builds_and_stages_have_charts_without_what_was_cancelled() -> None:
    seen = view(job_history(12))

    assert [figure.name for figure in seen.figures] == ["whole build", "checkout", "environment", "execute", "analyse"]
    assert len(seen.figures[0].chart.dots) == 11
    assert "cancelled" not in {dot.point.tone for dot in seen.figures[0].chart.dots}
    assert seen.figures[0].words.startswith("newest: ")
    assert "median of the 10 before: " in seen.figures[0].words


def test_steps_that_changes_add_come_first_and_have_time_then_limited_counters() -> None:
    past = of(*(build(base, at) for at, base in enumerate([outcomes.passing(), outcomes.failing()])))
    seen = view(past)

    first = next(step for step in seen.steps if step.run.name == "shop-mariadb")
    assert first.result.step.version == "b5d083fa1c46"
    assert [figure.name for figure in first.figures] == ["time", "Innodb_rows_read", "bytes_written"]
    newest, before = first.rows
    assert newest.values[0] == ("1 m 14 s of 1 m 00 s", "failure")
    assert before.values[0] == ("30 s of 2 m 00 s", "")
    assert [dot.point.over for dot in first.figures[0].chart.dots] == ["", "failure"]
    assert first.figures[0].words == "newest: 1 m 14 s; the one before: 30 s; limit: 1 m 00 s"


def test_what_a_limit_on_a_table_came_to_has_a_chart_of_its_own() -> None:
    limits = (
        Limit("writes_wait_s", 2.0, "policy", table="orders", value=41.0),
        Limit("copied_rows", 10.0, "policy", value=5.0),
    )
    seen = view(of(*(limited(build(outcomes.passing(), at), *limits) for at in range(2))))

    names = [figure.name for figure in seen.steps[0].figures]
    assert names == ["time", "writes_wait_s of orders", "copied_rows", "Innodb_rows_read"]
    assert seen.steps[0].more == 1, "bytes_written has no room"
    assert {dot.point.over for dot in seen.steps[0].figures[1].chart.dots} == {"failure"}


def test_a_limit_far_above_is_told_in_words() -> None:
    seen = view(of(*(limited(build(outcomes.passing(), at), Limit("wall_s", 1e6, "x")) for at in range(2))))
    assert seen.steps[0].figures[0].words.endswith("limit: 277 h 46 m, above the picture")


def test_the_lowest_of_several_limits_counts() -> None:
    limits = (Limit("wall_s", 100.0, "x"), Limit("wall_s", 20.0, "y"))
    seen = view(of(*(limited(build(outcomes.passing(), at), *limits) for at in range(2))))
    assert seen.steps[0].figures[0].chart.dots[0].point.limit == 20.0


def test_a_value_above_a_limit_that_only_warns_or_is_excused_is_not_shown_as_a_failure() -> None:
    fails, warns = Limit("wall_s", 20.0, "x"), Limit("wall_s", 10.0, "y", severity=Severity.WARNING)
    excused = Limit("wall_s", 10.0, "z", excuse=Excuse("a move that is planned", "dba", "2027-01-01"))
    for limits, tone in (
        ((warns,), "warning"),
        ((excused,), ""),
        ((warns, fails), "failure"),
        ((excused, warns), "warning"),
    ):
        past = of(*(limited(build(outcomes.passing(), at), *limits) for at in range(2)))
        seen = view(past)
        assert {dot.point.over for dot in seen.steps[0].figures[0].chart.dots} == {tone}, limits
        assert seen.steps[0].rows[0].values[0][1] == tone
        shown = rendered(past)
        marked = set(re.findall(r'class="dot success over-(\w+)"', shown)), set(re.findall(r'"too-much (\w+)"', shown))
        assert marked == (({tone}, {tone}) if tone else (set(), set()))


def test_where_something_else_was_measured_than_before_it_is_said() -> None:
    same, other = build(outcomes.passing(), 0), build(outcomes.passing(), 1, fingerprint="sha256:1")
    newer = tuple(
        evolve(run, engine_version="11.4", fingerprint="sha256:1", conditions={"file_system": "xfs"})
        for run in other.datasets
    )
    seen = view(of(same, other, evolve(build(outcomes.passing(), 2), datasets=newer)))

    step = seen.steps[0]
    (_, first), (_, second) = step.figures[0].chart.breaks
    assert first == "other content of the dataset"
    assert second == "MariaDB 11.4 instead of 10.11.6, file system xfs instead of not known"
    assert [row.why for row in step.rows] == [second, first, ""]


def test_a_counter_that_was_not_measured_in_a_build_leaves_a_gap() -> None:
    one, two = build(outcomes.passing(), 0), build(outcomes.passing(), 1)
    bare = tuple(
        evolve(run, steps=tuple(evolve(step, measurement=Measurement(1.0)) for step in run.steps))
        for run in two.datasets
    )
    step = view(of(one, evolve(two, datasets=bare))).steps[0]

    assert [len(figure.chart.dots) for figure in step.figures] == [2, 1, 1]
    assert [value for value, _ in step.rows[0].values[1:]] == ["not measured"] * 2


def test_steps_without_room_and_those_that_ran_once_are_counted() -> None:
    seen = view(evolve(job_history(12), left_out=5))

    assert len(seen.steps) == history.STEPS
    assert seen.left_out == 5 + 24 - history.STEPS
    once = view(of(build(outcomes.passing(), 0)))
    assert (once.steps, once.once, once.left_out) == ((), 24, 0)


def test_a_job_without_builds_has_a_page_that_says_so() -> None:
    assert "No build of this job is remembered." in rendered(JobHistory("gate"))


def test_the_page_says_in_a_table_what_its_pictures_show() -> None:
    page = rendered(job_history(12), build(outcomes.failing(), 12))

    assert page.count('<svg class="chart"') == page.count("</figcaption>") > 12
    assert page.count("<summary>As a table") == history.STEPS
    assert 'href="https://logs.example.org/3/"' in page
    assert "<b>this build</b>" in page
    assert "other content of the dataset" in page
    assert len(page) < 1_000_000


def test_fifty_builds_with_every_step_make_a_page_of_bounded_size() -> None:
    assert len(rendered(job_history(50))) < 2_000_000


def test_hostile_text_is_text() -> None:
    base = build(outcomes.failing(), 0)
    run = base.datasets[1]
    step = evolve(
        run.steps[-1],
        step=evolve(run.steps[-1].step, version=HOSTILE, title=HOSTILE, chain=HOSTILE),
        measurement=Measurement(1.0, {HOSTILE: 3}),
        limits=(Limit(HOSTILE, 1.0, HOSTILE, table=HOSTILE, value=2.0),),
        result=HOSTILE,
    )
    hostile = evolve(
        base,
        job=HOSTILE,
        summary=HOSTILE,
        change=evolve(base.change, project=HOSTILE),
        publications=(Publication(f"https://x/{HOSTILE}"),),
        datasets=(evolve(run, name=HOSTILE, engine=HOSTILE, engine_version=HOSTILE, steps=(step,)),),
    )
    other = evolve(
        hostile, build="b1", datasets=(evolve(hostile.datasets[0], fingerprint="1", conditions={HOSTILE: HOSTILE}),)
    )
    page = rendered(JobHistory(HOSTILE, (PastAttempt.of(other), PastAttempt.of(hostile))))

    assert "&lt;script&gt;alert(2)&lt;/script&gt;{{ 7 * 7 }}" in page
    seen = Elements(page)
    assert "img" not in seen.names
    assert page.count("<script") == 1, "the page's own, which sorts tables"
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", page)
