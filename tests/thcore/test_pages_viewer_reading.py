"""The log viewer as it is read, in a real browser."""

from __future__ import annotations

import http.server
import io
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from thcore.model import Severity, Standing, Verdict
from thcore.pages import live, viewer
from thcore.pages.viewer import Mark

from parts import hostile_log, outcomes
from parts.browser import Visitor, chromium, obstacles, visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["chromium", "visitor"]

pytestmark = pytest.mark.system


def line(number: int, text: str, source: str = "tests") -> str:
    return f"2026-11-21T21:{number // 60 % 60:02d}:{number % 60:02d}.123Z {source} | {text}\n"


def word(number: int) -> str:
    """Text that is like no other but for numbers."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def quiet(count: int, source: str = "tests", start: int = 0) -> str:
    return "".join(line(number, f"{word(number)} is done", source) for number in range(start, start + count))


# Lines 1-5 git; 6-605 uv, folded from 26 to 279 and from 321 to 585; 606 an error; 607-610 a traceback; 611-630 alike.
STORY = (
    quiet(5, "git")
    + quiet(600, "uv", 100)
    + line(500, "ERROR: no such index")
    + "".join(
        line(501, text, "shop")
        for text in ("Traceback (most recent call last):", '  File "a.py", line 1', "    boom()", "ValueError: boom")
    )
    + "".join(line(510 + number, f"retry {number} of 20", "shop") for number in range(20))
    + line(530, "WARNING: slow", "shop")
    + line(531, "\x1b[31mred\x1b[0m and \x1b[1;48;5;196mloud\x1b[0m <b>", "shop")
)
MARKS = (
    Mark(300, "lock-wait", Severity.WARNING, "waited for a lock <i>"),
    Mark(606, "step-failed", Severity.FAILURE, "the step failed"),
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path, STORY.encode(), MARKS)


def publish(directory: Path, log: bytes, marks: Sequence[Mark] = ()) -> Path:
    page = io.BytesIO()
    viewer.write(io.BytesIO(log), "console.log", marks, page)
    put(directory / "console.log", log)
    return put(directory / "console.log.html", page.getvalue())


def put(path: Path, content: bytes) -> Path:
    """Write a file that somebody may be reading: what replaces it is whole, as what publishers put up is."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    return new.rename(path)


def read(visitor: Visitor, path: Path | str, anchor: str = "", **options: bool) -> Page:
    page = visitor.open(path, anchor=anchor, **options)
    page.wait_for_selector("#log[data-ready]")
    return page


def row(page: Page, number: int) -> str:
    """The text of a line that is on the screen."""
    return page.evaluate(
        """number => {
            const links = [...document.querySelectorAll('.numbers a')];
            const top = links.find(link => link.textContent === String(number))?.getBoundingClientRect().top;
            const lines = [...document.querySelectorAll('.cm-line')];
            return lines.find(line => Math.abs(line.getBoundingClientRect().top - top) < 4)?.textContent ?? '';
        }""",
        number,
    )


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def folds(page: Page) -> list[str]:
    return page.locator(".fold").all_text_contents()


def chosen(page: Page) -> int:
    return page.locator(".cm-line.chosen").count()


def test_a_line_has_its_number_time_source_severity_and_text(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published, "L606")
    shown = page.locator(".cm-line.chosen")
    assert shown.locator(".time").text_content() == "21:08:20.123"
    assert shown.locator(".time").get_attribute("title") == "2026-11-21 21:08:20.123 UTC"
    assert shown.locator(".source").text_content() == "tests"
    assert shown.locator(".severity").text_content() == "error"
    assert "no such index" in (shown.text_content() or "")
    assert page.locator(".numbers a", has_text="606").get_attribute("href") == "#L606"
    assert page.locator(".cm-line.error").count() == 5  # with the whole traceback


def test_noise_is_folded_and_says_what_it_is(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published, "L610")
    assert "19 more lines like the one above" in folds(page)[-1]
    page.keyboard.press("Home")
    expect(page.locator(".fold").first).to_contain_text("lines of uv")
    assert folds(page)[0] == "… 254 lines of uv without an error or warning"
    page.locator(".fold").first.click()
    expect(page.locator("#fold")).to_have_text("284 lines folded")
    page.keyboard.press("z")
    expect(page.locator(".fold")).to_have_count(0)


def test_a_fold_opens_by_key_alone(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    before = page.locator("#fold").inner_text()
    for _ in range(25):
        page.keyboard.press("ArrowDown")
    assert page.locator(".cm-line.current.folded").count() == 1
    page.keyboard.press("Enter")
    expect(page.locator("#fold")).not_to_have_text(before)
    assert row(page, 26) != ""


def test_a_link_leads_to_its_line_through_a_fold(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published, "L200")
    assert chosen(page) == 1
    assert word(294) in row(page, 200)
    assert page.locator(".cm-line.chosen").is_visible()


def test_a_range_is_chosen_with_shift_and_the_address_names_it(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    page.locator(".numbers a", has_text="3").first.click()
    assert page.url.endswith("#L3")
    page.locator(".numbers a", has_text="8").first.click(modifiers=["Shift"])
    assert page.url.endswith("#L3-L8")
    assert chosen(page) == 6
    page.locator(".cm-content").press("Shift+ArrowUp")
    assert page.url.endswith("#L3-L7")
    again = read(visitor, published, "L3-L7")
    assert chosen(again) == 5
    again.keyboard.press("Escape")
    assert chosen(again) == 0
    assert again.url.endswith("console.log.html")


def test_search_counts_finds_in_folds_and_goes_on(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    page.keyboard.press("/")
    page.keyboard.type(f"{word(290)} IS")
    expect(page.locator("#hits")).to_have_text("1 of 1 line")
    assert page.locator(".match").all_text_contents() == [f"{word(290)} is"]
    page.locator("#query").fill("retry 1")
    expect(page.locator("#hits")).to_have_text(re.compile("of 11 lines$"))
    page.keyboard.press("Enter")
    expect(page.locator("#hits")).to_have_text("2 of 11 lines")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#hits")).to_have_text("1 of 11 lines")
    page.keyboard.press("Escape")
    page.keyboard.press("N")
    expect(page.locator("#hits")).to_have_text("11 of 11 lines")


def test_search_takes_expressions_and_tells_a_bad_one(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    page.locator("#expression").check()
    page.keyboard.press("Control+f")
    page.keyboard.type("^.*retry 1\\d ")
    expect(page.locator("#hits")).to_have_text(re.compile("10 lines$"))
    page.locator("#query").fill("(")
    expect(page.locator("#query:invalid")).to_be_visible()
    assert "no regular expression" in page.locator("#query").evaluate("field => field.validationMessage")


def test_filters_by_severity_and_source_show_all_that_pass(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    page.locator("#severities summary").click()
    page.get_by_label("only error").click()
    assert page.locator("#size").text_content() == "5 of 632 lines pass the filter"
    page.keyboard.press("Escape")
    page.locator("#sources summary").click()
    page.get_by_label("shop", exact=True).uncheck()
    assert page.locator("#size").text_content() == "1 of 632 lines pass the filter"
    assert "no such index" in row(page, 606)
    page.evaluate("location.hash = '#L200'")
    expect(page.locator("#size")).to_have_text("632 lines")
    assert word(294) in row(page, 200)


def test_findings_are_told_at_their_lines_and_one_leads_to_the_next(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    assert page.locator("#finding-list li").count() == 2
    page.locator(".cm-content").press("f")
    assert page.locator("#finding-count").text_content() == "1 of 2 findings"
    assert "waited for a lock <i>" in row(page, 300)
    page.keyboard.press("f")
    assert "the step failed" in row(page, 606)
    page.keyboard.press("f")
    assert page.locator("#finding-count").text_content() == "1 of 2 findings"
    page.locator("#finding-list a").last.click()
    page.wait_for_url("**#L606")
    page.locator(".cm-content").press("e")
    expect(page.locator("#error-count")).to_have_text("1 of 1 error")


def test_colours_are_kept(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published, "L632")
    assert page.locator(".ansi-red-fg").text_content() == "red"
    loud = page.locator(".ansi-bold")
    assert loud.text_content() == "loud"
    assert loud.evaluate("element => getComputedStyle(element).backgroundColor") == "rgb(255, 0, 0)"
    assert "red and loud <b>" in row(page, 632)


def numbered(page: Page) -> dict[int, str]:
    """The lines on the screen by the numbers beside them."""
    told: dict[str, str] = page.evaluate(
        """() => {
            const lines = [...document.querySelectorAll('.cm-line')];
            const near = (a, b) => Math.abs(a.getBoundingClientRect().top - b.getBoundingClientRect().top) < 4;
            const beside = link => lines.find(line => near(line, link))?.textContent;
            const links = [...document.querySelectorAll('.numbers .cm-gutterElement:not([style*=hidden]) a')];
            return Object.fromEntries(links.map(link => [link.textContent, beside(link)]));
        }"""
    )
    return {int(number): text for number, text in told.items()}


def test_lines_keep_their_numbers_whatever_is_folded_or_filtered(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    texts = [each.partition(" | ")[2] for each in STORY.splitlines()]
    page.locator("#sources summary").click()
    for act in (
        lambda: page.locator(".cm-content").press("Home"),
        page.locator(".fold").first.click,
        lambda: page.locator(".cm-content").press("End"),
        page.locator(".fold").last.click,
        lambda: page.locator(".cm-content").press("z"),
        lambda: page.get_by_label("uv", exact=True).uncheck(),
        lambda: page.get_by_label("git", exact=True).uncheck(),
        lambda: page.get_by_label("uv", exact=True).check(),
        lambda: page.get_by_label("git", exact=True).check(),
        lambda: page.locator(".cm-content").press("z"),
        lambda: page.locator(".cm-content").press("z"),
        lambda: page.evaluate("location.hash = '#L590-L600'"),
    ):
        act()
        page.locator("#sources").evaluate("menu => menu.open = true")
        shown = numbered(page)
        assert len(shown) > 10
        for number, text in shown.items():
            assert re.sub("\x1b[^m]*m", "", texts[number - 1]).lstrip() in text


def test_lines_after_those_left_out_keep_their_numbers(
    visitor: Visitor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "WHOLE", 40_000)
    log = b"".join(b"line %06d\n" % number for number in range(1, 10_001))
    page = read(visitor, publish(tmp_path, log, [Mark(9_500, "code", Severity.WARNING, "here")]), "L9000")
    page.locator(".cm-content").press("z")
    page.evaluate("location.hash = '#L9001'")
    expect(page.locator(".cm-line.chosen")).to_have_text("line 009001")
    page.locator(".cm-content").press("f")
    assert row(page, 9_500).startswith("line 009500")
    page.evaluate("location.hash = '#L4000'")
    expect(page.locator(".cm-line.current")).to_contain_text("are not in this page")


SEVERITIES = {
    "2013-11-20 12:00:00 ERROR migrate [-] it failed": "error",
    "CRITICAL:root:no": "error",
    "make: error: no rule": "error",
    "sqlalchemy.exc.OperationalError: (1205) lock wait": "error",
    "E   assert 1 == 2": "error",
    "FAILED tests/test_a.py::test_b": "error",
    "WARN slow": "warning",
    "a.py:1: DeprecationWarning: old": "warning",
    "INFO 0 ERROR lines": "info",
    "DEBUG error: expected": "debug",
    "0 errors, terror, ERRORS_ALLOWED=1": "other",
    "the Error page": "other",
    "  File indented, of no traceback": "other",
}


def test_a_line_is_as_bad_as_it_says(visitor: Visitor, tmp_path: Path) -> None:
    page = read(visitor, publish(tmp_path, "".join(line(1, text) for text in SEVERITIES).encode()))
    classes = page.locator(".cm-line").evaluate_all("lines => lines.map(line => [...line.classList])")
    told = [next(name for name in ("error", "warning", "info", "debug", "other") if name in each) for each in classes]
    assert dict(zip(SEVERITIES, told[: len(SEVERITIES)], strict=True)) == SEVERITIES


def test_a_colour_lasts_until_its_source_ends_it(visitor: Visitor, tmp_path: Path) -> None:
    told = (("\x1b[32mgreen", "a"), ("plain", "b"), ("still", "a"), ("end\x1b[0m no more", "a"), ("plain", "a"))
    page = read(visitor, publish(tmp_path, "".join(line(1, *each) for each in told).encode()))
    assert page.locator(".ansi-green-fg").all_text_contents() == ["green", "still", "end"]


def test_a_hostile_log_runs_nothing_and_is_shown_whole(visitor: Visitor, tmp_path: Path) -> None:
    marks = [Mark(11, text, Severity.FAILURE, text) for text in hostile_log.TEXTS]
    page = read(visitor, publish(tmp_path, hostile_log.CONTENT, marks), "L1")
    assert page.evaluate("window.ran") is None
    assert page.locator("main img:not(.cm-widgetBuffer), main script").count() == 0
    text = "\n".join(page.locator(".cm-line:not(.marked)").all_text_contents())
    for expected in (
        hostile_log.TEXTS[0],
        hostile_log.TEXTS[2],
        "user \\u202etxt.exe\\u202c \\u200fabc\\u2066 \u05d0\u05d1",
        "nul \\x00 bell \\x07 escape \\x1b",
        "line\\u2028separator and paragraph\\u2029separator",
        "after the title cleared",
        "{{ 7 * 7 }}",
    ):
        assert expected in text
    page.keyboard.press("/")
    page.keyboard.type("the end of the long line")
    expect(page.locator("#hits")).to_have_text("1 of 1 line")
    expect(page.locator(".match")).to_be_in_viewport()
    page.evaluate("location.hash = '#L12'")
    page.wait_for_selector(".cm-line.chosen")
    assert "caf\ufffd \ufffd\ufffd" in (page.locator(".cm-line.chosen").text_content() or "")
    page.keyboard.press("Escape")


def test_all_rows_can_be_copied(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.press("z")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[:631] == STORY.splitlines()[:631]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_in_the_way_of_keyboards_and_screen_readers(visitor: Visitor, published: Path, dark: bool) -> None:
    page = read(visitor, published, "L606-L610", dark=dark)
    assert obstacles(page) == []
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    page.locator("#severities summary").click()
    page.keyboard.press("Escape")
    page.locator(".cm-content").press("?")
    assert page.locator("#keys").is_visible()
    assert obstacles(page) == []


def test_every_control_is_reached_and_left_with_the_tab_key(visitor: Visitor, published: Path) -> None:
    page = read(visitor, published)
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.closest('[id]')?.id"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or not page.evaluate(
            "document.activeElement.matches('button, a, input, summary')"
        )
    controls = page.locator("header button:visible:enabled, header input:visible").evaluate_all(
        "them => them.map(it => it.id)"
    )
    assert {*controls, "severities", "sources", "finding-list", "log"} <= reached


def test_print_has_what_is_on_the_screen(visitor: Visitor, tmp_path: Path) -> None:
    page = read(visitor, publish(tmp_path, quiet(50_000).encode()), "L30000")
    page.emulate_media(media="print")
    expect(page.locator(".cm-line.chosen")).to_have_count(1)
    assert page.locator(".cm-line").count() < 100
    page.emulate_media(media="screen")
    expect(page.locator(".cm-line.chosen")).to_contain_text(word(29_999))
    assert pages(page.pdf()) <= 2
    assert page.locator(".cm-scroller").evaluate("scroller => scroller.scrollHeight") > 10_000


def test_a_small_log_is_readable_without_scripts(visitor: Visitor, published: Path) -> None:
    page = visitor.open(published, script=False, anchor="L606")
    assert "no such index" in (page.locator("#L606").text_content() or "")
    assert page.locator("#L606").is_visible()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        pass


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    def handler(*arguments: object) -> Quiet:
        return Quiet(*arguments, directory=str(tmp_path))  # type: ignore[arg-type] # what the server gives it

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def tell(directory: Path, pieces: Sequence[str], verdict: Verdict | None = None) -> None:
    """Put up what there is of a build that runs."""
    it = outcomes.failing()
    standing = Standing(
        it.job, it.build, it.attempt, it.change, it.log_path, it.worker, it.started, it.ended, verdict=verdict
    )
    grown = {live.piece_name(number): piece.encode() for number, piece in enumerate(pieces, 1)}
    log = live.LogSoFar(("…",), size=sum(map(len, grown.values())), pieces=len(grown))
    for name, content in live.files(standing, log, grown, 5.0).items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        put(path, content)


def test_the_log_of_a_running_build_is_followed_to_its_end(visitor: Visitor, address: str, tmp_path: Path) -> None:
    tell(tmp_path, [quiet(50)])
    page = visitor.open(f"{address}index.html")
    page.get_by_role("link", name="follow it").click()
    page.wait_for_selector("#log[data-ready]")
    assert page.locator("#size").text_content() == "50 lines"
    assert page.locator("#follow").get_attribute("aria-pressed") == "true"
    tell(tmp_path, [quiet(100), quiet(30, "shop", 200)])
    expect(page.locator("#size")).to_have_text("130 lines")
    assert word(229) in row(page, 130)
    page.mouse.move(300, 400)
    page.mouse.wheel(0, -2000)
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "false")
    tell(tmp_path, [quiet(100), quiet(30, "shop", 200)], Verdict.SUCCESS)
    expect(page.locator("#status")).to_contain_text("is over")
    publish(tmp_path, (quiet(100) + quiet(30, "shop", 200) + line(9, "the end")).encode())
    expect(page.locator("#size")).to_have_text("131 lines")
