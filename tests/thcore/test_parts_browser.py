"""The tests' visitor of pages tells of everything that a page of ours never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts.browser import Visitor, obstacles

pytestmark = pytest.mark.system


def test_the_visitor_notices_errors_dialogs_windows_and_requests_to_other_places(
    visitor: Visitor, tmp_path: Path
) -> None:
    page = tmp_path / "site" / "page.html"
    page.parent.mkdir()
    page.write_text(
        "<!DOCTYPE html><title>Bad</title><script>alert('asked'); console.error('said'); open('about:blank')</script>"
        "<img src='http://logs.example.org/a.png'><img src='../outside.png'><script>undefined_name()</script>"
    )

    visitor.open(page)

    noticed = "\n".join(visitor.complaints)
    visitor.complaints.clear()
    for part in ("dialog: asked", "console error: said", "error: undefined_name", "request: http://logs.example.org/"):
        assert part in noticed
    assert "outside.png" in noticed
    assert "window: " in noticed


def test_the_visitor_has_nothing_to_say_of_a_page_that_keeps_to_itself(visitor: Visitor, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("h1 { color: #222 }")
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><html lang='en'><title>Good</title><link rel='stylesheet' href='style.css'>"
        "<main><h1>Good</h1><p>It is.</p></main></html>"
    )

    assert obstacles(visitor.open(page)) == []


def test_obstacles_to_a_screen_reader_are_found_under_a_strict_policy(visitor: Visitor, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!DOCTYPE html><html lang='en'><meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\">"
        "<title>Bad</title><main><h1>Bad</h1><button></button></main></html>"
    )

    assert any("button-name" in obstacle for obstacle in obstacles(visitor.open(page)))
