"""Listings and the pages of a job's history in a browser, as they lie on a disk that a web server shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve

from thcore.model import JobHistory, Outcome, PastAttempt
from thcore.pages import html
from thcore.pages.html import Entry
from thcore.pages.listed import ListedBuild
from thcore.testing import make_build
from thplugins_publish_local.plugin import PublishLocalOptions, plugin

from parts import outcomes
from parts.browser import NARROW, Visitor, obstacles
from parts.builds import JOB, build

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.system

HOSTILE = '"><img src=x onerror=alert(1)><script>alert(2)</script>\u202egnp.exe'
BASES = (outcomes.passing, outcomes.failing, outcomes.unverified, outcomes.passing, outcomes.failing)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory below which five builds of a job were published, one after the other."""
    place = tmp_path_factory.mktemp("published")
    past = JobHistory(JOB)
    for number, base in enumerate(BASES):
        outcome = build(base(), number, factor=1 + number / 10)
        past = past.including(publish(place, past, evolve(outcome, publications=())))
    return place / "logs"


def publish(place: Path, past: JobHistory, outcome: Outcome) -> Outcome:
    """Have an outcome published below ``place``; answers it with where it is."""

    def remember(_job: str, _limit: int) -> JobHistory:
        return past

    with make_build(
        place, job=outcome.job, build_id=outcome.build, log_path=outcome.log_path, remember=remember
    ) as running:
        running.log("hello")
        answer = plugin.thcore_publish(running, PublishLocalOptions(place / "logs"), outcome)
    return evolve(outcome, publications=(answer,))


def overflows(page: Page) -> bool:
    """Whether the page, not a part of it, must be scrolled sideways."""
    return bool(page.evaluate("document.scrollingElement.scrollWidth > document.scrollingElement.clientWidth"))


def colours(page: Page) -> tuple[str, str, str]:
    """Of the page, the scale of a chart and a limit."""
    look = "([selector, property]) => getComputedStyle(document.querySelector(selector))[property]"
    wanted = (("body", "backgroundColor"), (".chart text", "fill"), (".chart .limit", "stroke"))
    one, other, third = (str(page.evaluate(look, list(each))) for each in wanted)
    return one, other, third


def test_the_page_of_a_job_shows_charts_whose_points_lead_to_their_builds(visitor: Visitor, root: Path) -> None:
    page = visitor.open(root / "jobs" / f"{JOB}.html", home=root)

    assert page.locator("svg.chart").count() > 12
    assert page.locator("svg.chart").first.is_visible()
    assert obstacles(page) == []
    assert not overflows(page)
    page.locator("svg.chart a:has(.failure)").first.click()
    assert page.url.endswith("/b1/index.html")
    assert "FAILURE" in page.title()


def test_the_keyboard_walks_through_tables_and_not_through_a_thousand_points(visitor: Visitor, root: Path) -> None:
    page = visitor.open(root / "jobs" / f"{JOB}.html", home=root)
    seen = []
    for _ in range(14):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.closest('svg') ? 'svg' : document.activeElement.localName"))

    assert "svg" not in seen
    assert seen.count("a") >= len(BASES)
    assert "summary" in seen
    table = page.locator("details table").first
    assert not table.is_visible()
    page.locator("summary").first.press("Enter")
    assert table.is_visible()
    assert table.locator("tbody tr").count() > 1


def test_charts_follow_a_dark_reader_and_fit_a_narrow_window(visitor: Visitor, root: Path) -> None:
    light = visitor.open(root / "jobs" / f"{JOB}.html", home=root)
    dark = visitor.open(root / "jobs" / f"{JOB}.html", home=root, dark=True, width=NARROW)

    assert all(one != other for one, other in zip(colours(light), colours(dark), strict=True))
    assert obstacles(dark) == []
    assert not overflows(dark)


def test_from_the_root_a_reader_finds_the_build_and_its_jobs_history(visitor: Visitor, root: Path) -> None:
    page = visitor.open(root / "index.html", home=root, script=False)

    verdicts = page.locator("table.builds .tag").all_inner_texts()
    assert verdicts == [base().verdict.value for base in reversed(BASES)]
    page.get_by_role("link", name="example/shop 12345,3", exact=True).click()
    assert page.url.endswith(f"/45/12345/3/check/{JOB}/b3/index.html")
    page.goto(page.url.replace("index.html", "history.html"))
    assert page.locator("table").first.locator("tbody tr").count() == 4, "those after it are not in its own history"
    page.get_by_role("link", name="builds", exact=True).click()
    page.get_by_role("link", name="jobs/", exact=True).click()
    page.get_by_role("link", name=f"{JOB}.html", exact=True).click()
    assert page.get_by_role("heading", level=1).inner_text() == JOB


def test_a_listing_can_be_narrowed_to_the_rows_that_have_some_words(visitor: Visitor, root: Path) -> None:
    page = visitor.open(root / "index.html", home=root)
    field = page.get_by_label("Only rows with")
    rows = page.locator("tbody tr:visible")
    everything = rows.count()

    field.fill("FAILURE 12345,4")

    assert rows.all_inner_texts() == [page.locator("table.builds tbody tr").first.inner_text()]
    assert page.get_by_role("status").inner_text() == f"1 of {everything}"
    field.fill("")
    assert rows.count() == everything
    assert not visitor.open(root / "index.html", home=root, script=False).get_by_label("Only rows with").is_visible()


def test_hostile_names_run_nothing_and_are_no_obstacle(visitor: Visitor, tmp_path: Path) -> None:
    base = build(outcomes.failing(), 1)
    step = evolve(base.datasets[1].steps[-1].step, version=HOSTILE, title=HOSTILE)
    runs = (evolve(base.datasets[1], name=HOSTILE, steps=(evolve(base.datasets[1].steps[-1], step=step),)),)
    hostile = evolve(base, job=HOSTILE, summary=HOSTILE, change=evolve(base.change, project=HOSTILE), datasets=runs)
    past = JobHistory(HOSTILE, (PastAttempt.of(evolve(hostile, build="before")),))
    (tmp_path / "history.html").write_bytes(html.history_page(past, (HOSTILE,), this=hostile))
    entries = [Entry(HOSTILE, directory=True), Entry(HOSTILE, directory=False, size=3)]
    listing = html.listing_page((HOSTILE,), entries, builds=[ListedBuild.of(hostile, HOSTILE)])
    (tmp_path / "index.html").write_bytes(listing)

    for name in ("history.html", "index.html"):
        page = visitor.open(tmp_path / name)
        assert "<script>alert(2)</script>\\u202egnp.exe" in page.locator("main").inner_text()
        assert page.locator("img, script[src]").count() == 0
        assert obstacles(page) == []
