from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Sequence

import pytest

from thcore.model import Severity
from thcore.pages import viewer
from thcore.pages.viewer import Mark

from parts import hostile_log


def made(log: bytes, name: str = "console.log", marks: Sequence[Mark] = (), size: int | None = None) -> str:
    out = io.BytesIO()
    viewer.write(io.BytesIO(log), name, marks, out, size)
    return out.getvalue().decode("utf-8")


def packed(page: str) -> bytes:
    found = re.search(r'<script type="application/gzip" id="packed">([A-Za-z0-9+/=]*)</script>', page)
    assert found is not None
    return gzip.decompress(base64.b64decode(found[1], validate=True))


def about(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="about">(.*)</script>', page)
    assert found is not None
    value: dict[str, object] = json.loads(found[1])
    return value


def test_page_holds_the_log_byte_for_byte() -> None:
    assert packed(made(hostile_log.CONTENT)) == hostile_log.CONTENT


def test_an_empty_log_has_a_page() -> None:
    assert packed(made(b"")) == b""


def test_what_is_written_meanwhile_is_not_read() -> None:
    assert packed(made(b"one\ntwo\nthree\n", size=8)) == b"one\ntwo\n"


def test_nothing_of_the_log_its_name_or_its_findings_becomes_html() -> None:
    marks = [Mark(1, text, Severity.FAILURE, text) for text in hostile_log.TEXTS]
    page = made(hostile_log.CONTENT, '"><img src=x onerror=alert(1)>.log', marks)
    ours = made(b"", "console.log")
    for tag in ("<script", "</script", "<img", "<!--"):
        assert page.count(tag) == ours.count(tag)
    assert "\u202e" not in page
    assert "\x00" not in page


def test_findings_are_kept_as_they_are_told() -> None:
    page = made(b"a\nb\n", marks=[Mark(2, "step-failed", Severity.FAILURE, "1 < 2 & </script>")])
    finding = {"line": 2, "code": "step-failed", "severity": "failure", "message": "1 < 2 & </script>"}
    assert about(page) == {"marks": [finding], "gap": None}


def test_links_lead_from_a_directory_to_its_log_and_up_to_the_result() -> None:
    page = made(b"", "logs/a b/x#1.log")
    assert 'href="./x%231.log"' in page
    assert 'href="../../index.html"' in page


def test_only_a_small_log_is_there_without_a_script_too() -> None:
    assert '<span id="L2" dir="auto">two &lt;b&gt;</span>' in made(b"one\ntwo <b>\n")
    assert 'id="L2"' not in made(b"one\n" * 100_000)


def test_a_log_too_large_for_a_browser_has_its_start_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"line %06d" % number for number in range(1, 10_001)]
    log = b"\n".join(lines) + b"\n"
    monkeypatch.setattr(viewer, "WHOLE", 40_000)
    page = made(log)
    kept = packed(page).splitlines()
    gap = about(page)["gap"]
    assert isinstance(gap, dict)
    first, count = gap["first"], gap["count"]
    assert kept[: first - 1] == lines[: first - 1]
    assert kept[first - 1].startswith(f"{count:,} lines".encode())
    assert kept[first:] == lines[first - 1 + count :]
    assert len(packed(page)) < 40_000


def test_a_page_that_follows_may_ask_its_own_host_and_no_other_page_may_ask_anybody() -> None:
    assert "connect-src &#39;self&#39;" in viewer.following("console.log", "live").decode()
    assert 'data-follow="live/"' in viewer.following("console.log", "live").decode()
    assert "connect-src &#39;none&#39;" in made(b"")


def test_anchors_name_a_line_or_a_range() -> None:
    assert viewer.page_name("console.log") + viewer.anchor(120) == "console.log.html#L120"
    assert viewer.anchor(120, 120) == "#L120"
    assert viewer.anchor(120, 140) == "#L120-L140"
