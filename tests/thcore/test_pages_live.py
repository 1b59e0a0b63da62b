"""The page of a running build, as text and in Chromium."""

from __future__ import annotations

import datetime
import functools
import http.server
import itertools
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.model import (
    Change,
    ChangeKind,
    Finding,
    Progress,
    Severity,
    StageName,
    StageResult,
    StageRun,
    Standing,
    Verdict,
    WorkerInfo,
)
from thcore.pages import live
from thcore.pages.html import INDEX
from thcore.pages.live import LogSoFar, piece_name

from parts.browser import Visitor, obstacles

AT = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.UTC)
HOSTILE = '</span></pre><script>alert(1)</script><img src="x" onerror="alert(2)">\u202e\x1b]0;title\x07\x00'
STANDING = Standing(
    "gate-real-db-upgrade",
    "e84f826434214cb28638db05fd19d449",
    1,
    Change("openstack/nova", ChangeKind.CHANGE, branch="master", number="12345", patchset="2"),
    "45/12345/2/check/gate-real-db-upgrade/e84f826",
    WorkerInfo("worker", "localhost", "0"),
    AT,
    AT + datetime.timedelta(seconds=95),
    (StageRun(StageName.CHECKOUT, StageResult.OK, AT, AT + datetime.timedelta(seconds=3)),),
    StageName.EXECUTE,
    AT + datetime.timedelta(seconds=4),
    Progress("step 3: adding a column", 3, 12),
)


def page(standing: Standing = STANDING, *lines: str, every_s: float = 5.0) -> str:
    return live.files(standing, LogSoFar(lines), {}, every_s)[INDEX].decode()


def test_the_page_says_how_far_the_build_is() -> None:
    text = page(STANDING, "the last line")
    for words in ("openstack/nova", "In stage execute: <bdi>step 3: adding a column", "3 of 12", "the last line"):
        assert words in text


def test_nothing_of_what_is_shown_is_taken_for_html() -> None:
    hostile = evolve(
        STANDING,
        job=HOSTILE,
        progress=Progress(HOSTILE, 1, 2),
        findings=(Finding("code", Severity.WARNING, HOSTILE),),
        worker=WorkerInfo(HOSTILE, "", ""),
        verdict=Verdict.FAILURE,
        summary=HOSTILE,
    )
    text = page(hostile, HOSTILE)
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert not {"\u202e", "\x1b", "\x00"} & set(text)


def test_a_page_of_a_cancelled_build_is_not_read_again() -> None:
    cancelled = page(evolve(STANDING, verdict=Verdict.CANCELLED, summary="Cancelled: Zuul asked for it"))
    assert "data-renew=" not in cancelled
    assert 'http-equiv="refresh"' not in cancelled
    assert "data-renew=" in page(evolve(STANDING, verdict=Verdict.SUCCESS, summary="All checks passed"))


def test_programs_are_told_how_the_build_stands() -> None:
    files = live.files(STANDING, LogSoFar(("x",), 700, 2, whole=False), {piece_name(2): b"x\n"}, 5.0)
    told = json.loads(files[live.STATE])
    assert told["progress"]["done"] == 3
    assert told["log"] == {"pieces": ["log-000001.txt", "log-000002.txt"], "size": 700, "whole": False}
    assert list(files) == [piece_name(2), live.STATE, INDEX]


def test_what_follows_the_log_comes_with_its_first_lines_only() -> None:
    first = live.files(STANDING, LogSoFar(), {piece_name(1): b"x\n"}, 5.0)
    assert set(first) - set(live.files(STANDING, LogSoFar(), {piece_name(2): b"x\n"}, 5.0)) == {
        piece_name(1),
        live.FOLLOWING,
    }


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory, and its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def put(directory: Path, standing: Standing, *lines: str, every_s: float = 1.0) -> None:
    pieces = {piece_name(1): "".join(f"{line}\n" for line in lines).encode()}
    for name, content in live.files(standing, LogSoFar(lines, 1, 1), pieces, every_s).items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_bytes(content)
    renew(directory / INDEX)


_seconds = itertools.count()


def renew(path: Path) -> None:
    """Give a file a time that no version of it had: browsers ask for what is newer, in whole seconds."""
    moment = AT.timestamp() + next(_seconds)
    os.utime(path, (moment, moment))


@pytest.mark.system
def test_a_reader_sees_the_build_go_on_and_end(directory: tuple[Path, str], visitor: Visitor) -> None:
    place, address = directory
    lines = "2026-03-01T10:00:00.000Z thcore | one", HOSTILE
    put(place, STANDING, *lines, every_s=60.0)  # it must stand still to be examined
    assert obstacles(visitor.open(f"{address}{INDEX}")) == []

    put(place, STANDING, *lines)
    seen = visitor.open(f"{address}{INDEX}")

    assert "one" in seen.inner_text("pre")
    put(place, evolve(STANDING, stage=StageName.ANALYSE), "2026-03-01T10:00:01.000Z thcore | two")
    seen.locator("text=In stage analyse").wait_for()
    (place / INDEX).write_text("<!doctype html><title>over</title><link rel=icon href=data:,><p>that was it")
    renew(place / INDEX)
    seen.locator("text=that was it").wait_for()


@pytest.mark.system
def test_a_reader_follows_the_whole_log(directory: tuple[Path, str], visitor: Visitor) -> None:
    place, address = directory
    put(place, STANDING, "2026-03-01T10:00:00.000Z thcore | one")
    seen = visitor.open(f"{address}{INDEX}")
    seen.click("text=follow it")
    seen.locator("text=one").first.wait_for()
    put(place, STANDING, "2026-03-01T10:00:00.000Z thcore | one", "2026-03-01T10:00:01.000Z thcore | two")
    seen.locator("text=two").first.wait_for()
