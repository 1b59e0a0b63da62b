"""The result page as people meet it: in a browser, by eye, by keyboard, by ear, on paper and on a telephone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from attrs import evolve

from thcore.model import Outcome

from parts import outcomes
from parts.browser import NARROW, Visitor, obstacles
from parts.hostile_outcome import HOSTILE, hostile_outcome
from parts.published import published

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.system

KINDS = ("passing", "watched", "unverified", "cancelled")


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def site(kind: str) -> Path:
        if kind not in made:
            of: Outcome = getattr(outcomes, kind)()
            files = {
                "environment.txt": "alembic==1.20.1\npsycopg==3.3.9\n",
                "datasets/shop-mariadb/schema.diff": "-a\n",
            }
            made[kind] = published(tmp_path_factory.mktemp(kind), of, files)
        return made[kind]

    return site


def box(of: Locator) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what can be seen of an element, in pixels."""
    found = of.bounding_box()
    assert found is not None, "it is to be seen"
    return found["x"], found["y"], found["x"] + found["width"], found["y"] + found["height"]


def column(page: Page, table: str, number: int) -> list[str]:
    """The texts of a table's column."""
    return [text.strip() for text in page.locator(f"{table} tbody tr td:nth-child({number})").all_inner_texts()]


@pytest.mark.parametrize("kind", KINDS)
def test_verdict_reason_and_what_to_do_next_stand_on_the_first_screen(
    visitor: Visitor, sites: Callable[[str], Path], kind: str
) -> None:
    page = visitor.open(sites(kind))

    for width, height in ((1280, 900), (NARROW, 800)):
        page.set_viewport_size({"width": width, "height": height})
        for part in ("h1", ".summary", ".next h2"):
            assert box(page.locator(f".banner {part}"))[3] <= height
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "nobody has to scroll sideways"


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, NARROW)])
def test_nothing_keeps_a_screen_reader_or_weak_eyes_out(
    visitor: Visitor, sites: Callable[[str], Path], dark: bool, width: int
) -> None:
    page = visitor.open(sites("watched"), dark=dark, width=width)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")

    assert obstacles(page) == []


def test_dark_is_dark_and_light_is_light(visitor: Visitor, sites: Callable[[str], Path]) -> None:
    page = visitor.open(sites("watched"), dark=True)

    def brightness() -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness() < 150
    page.emulate_media(color_scheme="light")
    assert brightness() > 600


def test_the_timeline_shows_how_long_each_step_ran_against_its_limit(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("failing"))
    picture = page.locator(".timeline > svg")
    left, _, right, _ = box(picture)

    # 74.3 s against 60 s, on an axis that is as long as the longest step and a little more.
    whole = 74.3 * 1.02
    (_, _, limit, _), *_ = [box(each) for each in picture.locator("rect.limit").all()]
    assert (limit - left) / (right - left) == pytest.approx(60 / whole, abs=0.01)
    above = picture.locator("rect.failure").last
    assert above.locator("title").text_content() == "14 s above its limit"
    start, _, end, _ = box(above)
    assert (start - left) / (right - left) == pytest.approx(60 / whole, abs=0.01)
    assert (end - left) / (right - left) == pytest.approx(74.3 / whole, abs=0.01)
    assert [text.strip() for text in picture.locator(".caption").all_text_contents()] == [
        "The build, from its start",
        "The change's steps, from their start",
    ]


def test_the_timeline_shows_statements_locks_and_waits_below_the_step_that_they_are_of(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("watched"))
    picture = page.locator(".timeline > svg")

    wait = picture.locator("rect.wait").first
    assert wait.locator("title").text_content() == "writers of orders waited 41 s"
    step = picture.locator("rect.success").nth(2)
    statement = picture.locator("rect.statement").first
    lock = picture.locator("rect.lock").first
    assert box(step)[3] <= box(statement)[1] < box(statement)[3] <= box(lock)[1] < box(lock)[3] <= box(wait)[1]
    for words in ("a statement of the step", "a table was locked against writers", "others had to wait", "its limit"):
        assert page.locator(".legend").get_by_text(words, exact=True).is_visible()


def test_names_and_times_of_the_timeline_do_not_run_into_each_other_on_a_telephone(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("watched"), width=NARROW)

    left, _, right, _ = box(page.locator(".timeline > svg"))
    names = [box(each)[2] for each in page.locator(".timeline svg.name text").all()]
    times = [box(each)[0] for each in page.locator(".timeline text.detail").all()]

    cut = left + 0.68 * (right - left)
    assert max(names) > cut, "some are cut"
    assert all(min(name, cut) <= time for name, time in zip(names, times, strict=True))


def test_a_name_in_the_timeline_leads_to_its_table(visitor: Visitor, sites: Callable[[str], Path]) -> None:
    page = visitor.open(sites("watched"))

    page.locator(".timeline a", has_text="shop-postgresql").first.click()

    title = page.locator("article.dataset:target h3")
    assert "shop-postgresql" in title.inner_text()
    assert 0 <= box(title)[1] < 900


def test_tables_sort_by_keyboard_and_say_so(visitor: Visitor, sites: Callable[[str], Path]) -> None:
    page = visitor.open(sites("watched"))
    head = page.locator(".overview th", has_text="Time")
    assert column(page, ".overview", 5) == ["2 m 20 s", "1 m 10 s"]

    head.get_by_role("button").focus()
    page.keyboard.press("Enter")  # the longest first
    assert (head.get_attribute("aria-sort"), column(page, ".overview", 5)) == ("descending", ["2 m 20 s", "1 m 10 s"])
    page.keyboard.press("Space")
    assert (head.get_attribute("aria-sort"), column(page, ".overview", 5)) == ("ascending", ["1 m 10 s", "2 m 20 s"])

    page.locator(".overview th", has_text="Dataset").get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") is None, "a table is sorted by one column"
    assert column(page, ".overview", 1) == ["shop-mariadb", "shop-postgresql"]


def test_numbers_sort_as_numbers_and_what_was_not_measured_comes_last(
    visitor: Visitor, sites: Callable[[str], Path], tmp_path: Path
) -> None:
    base = outcomes.failing()
    broken = evolve(base.datasets[1], steps=outcomes.steps(broken=True))
    page = visitor.open(published(tmp_path, evolve(base, datasets=(broken,))))
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    table, time = page.locator("details table.steps"), page.locator("details table.steps th", has_text="Time")

    time.get_by_role("button").click()
    assert column(page, "details table.steps", 3)[:3] == ["23 s", "15 s", "11 s"]
    time.get_by_role("button").click()
    assert column(page, "details table.steps", 3)[:3] == ["0.31 s", "0.42 s", "0.55 s"]
    assert table.count() == 1

    own = page.locator("article.dataset > .scroll table.steps").first
    for _ in range(2):
        own.locator("th", has_text="Time").get_by_role("button").click()
        assert own.locator("tbody tr").last.locator("td").nth(2).inner_text() == "\N{EN DASH}"


def test_the_keyboard_gets_everywhere_and_is_always_seen(visitor: Visitor, sites: Callable[[str], Path]) -> None:
    page = visitor.open(sites("watched"))
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, summary, [tabindex]')]"
        ".filter(each => each.checkVisibility()).length"
    )

    seen = 0
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
                const on = document.activeElement;
                if (on === document.body) return null;
                const {outlineStyle, outlineWidth} = getComputedStyle(on);
                return {name: on.outerHTML.slice(0, 80), outline: outlineStyle, width: parseFloat(outlineWidth)};
            }"""
        )
        if focus is None:
            break
        assert focus["outline"] != "none", focus["name"]
        assert focus["width"] >= 2, focus["name"]
        seen += 1

    assert seen >= wanted


def test_without_script_everything_is_there_but_sorting(visitor: Visitor, sites: Callable[[str], Path]) -> None:
    page = visitor.open(sites("watched"), script=False)

    assert page.locator(".timeline rect.failure").first.is_visible()
    assert page.locator(".overview tbody tr").count() == 2
    assert page.locator("button").count() == 0


def test_on_paper_folds_are_open_and_what_is_for_clicking_is_gone(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("watched"), dark=True)
    page.emulate_media(media="print")

    assert page.locator(".jump").is_hidden()
    earlier = page.locator("details", has_text="10 earlier steps").first.locator("tbody tr").first
    assert box(earlier)[3] > box(earlier)[1]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 33, 40)", "ink, whatever the screen is"


@pytest.mark.parametrize("kind", ["watched", "cancelled"])
def test_every_link_of_the_page_leads_somewhere_in_the_site(
    visitor: Visitor, sites: Callable[[str], Path], kind: str
) -> None:
    start = sites(kind)
    page = visitor.open(start)

    links = page.evaluate("[...document.querySelectorAll('main a, .jump a')].map(each => each.getAttribute('href'))")

    assert links
    for link in links:
        parts = urlsplit(link)
        assert not parts.scheme
        assert (start.parent / unquote(parts.path)).exists(), link
        if not parts.path:
            assert page.locator(f"[id='{parts.fragment}']").count() == 1, link


def test_a_finding_leads_to_its_evidence_in_the_whole_log_and_back_to_the_page(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("unverified"))

    page.locator("#findings a", has_text="of the log").first.click()

    line = page.get_by_text("preallocating 12582912 bytes for file ./ibtmp1").last
    line.wait_for()
    assert 0 <= box(line)[1] < 900, "it is to be seen at once"
    page.get_by_role("link", name="result", exact=True).click()
    assert page.locator(".banner h1").inner_text() == "UNVERIFIED"


def test_the_command_that_repeats_the_build_is_selected_by_one_click(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    page = visitor.open(sites("watched"))

    page.locator(".command").click()

    selected = page.evaluate("getSelection().toString().trim()")
    assert selected == (
        "thcore run --project=example/shop --branch=main --ref=refs/zuul/main/Zc3f1a9d2b7e84f0"
        " -- gate-real-db-upgrade_example"
    )


def test_a_page_of_four_hundred_steps_and_five_hundred_findings_is_small_and_the_first_screen_is_the_same(
    visitor: Visitor, sites: Callable[[str], Path]
) -> None:
    start = sites("large")
    assert start.stat().st_size < 2_000_000

    page = visitor.open(start)

    assert box(page.locator(".banner .next"))[3] <= 900
    assert page.locator(".lesser tbody tr").count() == 480
    assert page.locator(".timeline rect.failure").count() > 10
    assert "region-19" in page.locator(".timeline").inner_text()


def test_hostile_text_and_file_names_run_nothing_and_are_seen_as_they_are(visitor: Visitor, tmp_path: Path) -> None:
    name = '"><img src=x onerror=alert(1)><script>alert(2)<\u2044script>\u202egnp.exe'
    page = visitor.open(
        published(
            tmp_path,
            hostile_outcome(),
            {
                name: HOSTILE.replace("\udcff", ""),
                "javascript:alert(3)": "x",
                "environment.txt": "<script>alert(4)</script>\n",
            },
        )
    )
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")

    text = page.locator("body").inner_text()
    assert "<script>alert(2)</script>{{ 7 * 7 }}" in text
    assert "<script>alert(4)</script>" in text
    assert "\\u202egnp.exe" in text
    assert page.locator("img").count() == 0
    page.get_by_text("javascript:alert(3)").click()
    assert page.url.startswith("file:")
    assert unquote(page.url).endswith("/javascript:alert(3)")
