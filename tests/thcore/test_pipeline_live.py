"""The page of a build while it runs, as publishers are given it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thcore.errors import CancelledError, InfrastructureError
from thcore.hooks import Build, hookimpl
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    Execution,
    Finding,
    LivePage,
    Outcome,
    Progress,
    Publication,
    Secret,
    Severity,
    Verdict,
)
from thcore.pages import identity
from thcore.pages.live import STATE, piece_name
from thcore.pipeline import lifecycle, pieces
from thcore.pipeline.live import Pace
from thcore.pipeline.pieces import LogPieces
from thcore.process.interrupt import Interrupt
from thcore.testing import run_job
from thcore.testing.fakes import FakeAnalyser, FakeCheckout, FakeExecutor, FakePublisher

QUICK = Pace(every_s=0.01, patience_s=20.0)
URL = "https://logs.example.org/b/"


class Screen:
    """Publishes live: notes each page, and lets a test wait for one."""

    def __init__(self, url: str | None = URL, act: Callable[[Build, LivePage], object] = lambda _build, _page: None):
        self.url = url
        self.act = act
        self.pages: list[LivePage] = []
        self.published: list[Outcome] = []
        self._changed = threading.Condition()

    @hookimpl
    def thcore_publish_live(self, build: Build, page: LivePage) -> Publication | None:
        with self._changed:
            self.pages.append(page)
            self._changed.notify_all()
        self.act(build, page)
        return None if self.url is None else Publication(self.url)

    @hookimpl
    def thcore_publish(self, outcome: Outcome) -> Publication | None:
        self.published.append(outcome)
        return None if self.url is None else Publication(self.url)

    def wait_for(self, condition: Callable[[LivePage], object]) -> LivePage:
        """Wait for a page."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(condition, self.pages)), 20), "there is no such page"
            return next(page for page in self.pages if condition(page))

    @property
    def last(self) -> LivePage:
        return self.pages[-1]


def text(page: LivePage) -> str:
    return page.files["index.html"].decode()


def state(page: LivePage) -> Any:
    return json.loads(page.files[STATE])


def job(
    directory: Path, screen: object, execute: Callable[[Any], Execution | None] = lambda _build: None, **more: Any
) -> tuple[Outcome, str]:
    """Run a job that publishes to ``screen``; its outcome and its log."""
    plugins = {
        "checkout": FakeCheckout(),
        "execute": FakeExecutor(execute),
        "screen": screen,
        **more.pop("plugins", {}),
    }
    outcome, workspace = run_job(directory, plugins, pace=more.pop("pace", QUICK), **more)
    # What a test misses in a stage is taken for a fault of the plugin.
    assert "plugin-failed" not in {finding.code for finding in outcome.findings}, outcome.findings
    return outcome, workspace.log.read_text()


def test_the_page_shows_the_stage_the_progress_and_the_log_while_the_build_runs(tmp_path: Path) -> None:
    screen = Screen()

    def execute(build: Any) -> None:
        build.emit(Progress("adding a column", 3, 12))
        build.log("a line of the log")
        screen.wait_for(lambda page: "adding a column" in text(page) and "a line of the log" in text(page))

    outcome, _ = job(tmp_path, screen, execute)

    assert outcome.verdict is Verdict.SUCCESS
    page = screen.wait_for(lambda page: "adding a column" in text(page))
    assert "In stage execute" in text(page)
    assert 'http-equiv="refresh"' in text(page)
    assert state(page)["progress"] == {"message": "adding a column", "done": 3, "total": 12}
    assert state(page)["stages"][0] == {"name": "checkout", "result": "ok"}


def test_every_page_says_of_which_attempt_it_is(tmp_path: Path) -> None:
    screen = Screen()
    outcome, _ = job(tmp_path, screen)
    for page in screen.pages:
        assert page.fence == outcome.fence
        told = identity.read(page.files[STATE])
        assert told is not None
        assert (told.build, told.fence) == (outcome.build, outcome.fence)


def test_the_page_to_open_is_put_up_last(tmp_path: Path) -> None:
    screen = Screen()
    job(tmp_path, screen)
    assert {list(page.files)[-1] for page in screen.pages} == {"index.html"}


def test_the_last_page_tells_the_verdict_before_the_evidence_is_published(tmp_path: Path) -> None:
    seen: list[int] = []
    screen = Screen(act=lambda _build, _page: seen.append(len(screen.published)))
    bad = Finding("bad", Severity.FAILURE, "It is bad <b>")

    job(tmp_path, screen, plugins={"analyse": FakeAnalyser(lambda _build, _execution: [bad])})

    assert set(seen) == {0}
    assert [page.last for page in screen.pages] == [False] * (len(screen.pages) - 1) + [True]
    assert "It is bad &lt;b&gt;" in text(screen.last)
    assert "Its evidence is being published" in text(screen.last)
    assert state(screen.last)["verdict"] == "FAILURE"


def test_the_address_of_the_page_is_told_once(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    screen = Screen()

    def execute(build: Any) -> None:
        screen.wait_for(bool)
        build.emit(Progress("one of two", 1, 2))
        screen.wait_for(lambda page: "one of two" in text(page))

    job(tmp_path, screen, execute, events=events)

    assert [event.detail for event in events if event.kind is BuildEventKind.PAGE] == [URL]


def test_of_two_pages_the_first_publisher_s_counts(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    second = Screen("https://second.example.org/")
    first = Screen("https://first.example.org/", lambda _build, _page: second.wait_for(bool))

    def execute(_build: Any) -> None:
        while "https://first.example.org/" not in [event.detail for event in events]:
            threading.Event().wait(0.01)

    job(tmp_path, first, execute, events=events, plugins={"second": second})

    told = [event.detail for event in events if event.kind is BuildEventKind.PAGE]
    assert told[-1] == "https://first.example.org/"


def test_a_publisher_that_shows_nothing_is_not_asked_again(tmp_path: Path) -> None:
    events: list[BuildEvent] = []
    screen = Screen(None)
    job(tmp_path, screen, lambda build: build.emit(Progress("one", 1, 2)), events=events)
    assert len(screen.pages) == 1
    assert BuildEventKind.PAGE not in {event.kind for event in events}


@pytest.mark.parametrize("error", [InfrastructureError("the target is away"), RuntimeError("oops"), SystemExit(3)])
def test_a_publisher_that_raises_is_given_up_and_costs_the_build_nothing(tmp_path: Path, error: BaseException) -> None:
    def act(_build: Build, _page: LivePage) -> None:
        raise error

    screen = Screen(act=act)
    outcome, log = job(tmp_path, screen, lambda _build: screen.wait_for(bool) and None)

    assert outcome.verdict is Verdict.SUCCESS
    assert outcome.findings == ()
    assert len(screen.pages) == 1
    assert log.count("the page of the running build is given up: screen: ") == 1
    assert [publication.url for publication in outcome.publications] == [URL]


def test_a_publisher_that_hangs_is_given_up_and_said_so_once(tmp_path: Path) -> None:
    gate, late = threading.Event(), []

    def act(build: Build, _page: LivePage) -> None:
        gate.wait(60)
        try:
            build.check()
        except CancelledError as error:
            late.append(str(error))
            raise

    screen = Screen(act=act)
    outcome, log = job(
        tmp_path, screen, lambda _build: screen.wait_for(bool) and None, pace=Pace(every_s=0.01, patience_s=0.05)
    )
    gate.set()

    assert outcome.verdict is Verdict.SUCCESS
    assert len(screen.published) == 1
    assert log.count("the page of the running build is given up: screen: it has not answered within ") == 1
    for thread in threading.enumerate():
        if thread.name == "live-screen":
            thread.join(20)
    assert late == ["the page comes too late"]


def test_a_publisher_that_fails_after_it_was_given_up_is_not_told_of_again(tmp_path: Path) -> None:
    gate = threading.Event()

    class Late(Screen):
        @hookimpl
        def thcore_publish(self, outcome: Outcome) -> Publication:
            self.published.append(outcome)
            gate.set()
            for thread in threading.enumerate():
                if thread.name == "live-screen":
                    thread.join(20)
            return Publication(URL)

    def act(_build: Build, _page: LivePage) -> None:
        gate.wait(60)
        raise RuntimeError("and now this")

    screen = Late(act=act)
    _, log = job(tmp_path, screen, lambda _build: screen.wait_for(bool) and None, pace=Pace(0.01, 60.0, 0.05))
    assert log.count("the page of the running build is given up: screen: ") == 1


def test_one_publisher_that_hangs_keeps_no_other_from_its_page(tmp_path: Path) -> None:
    gate = threading.Event()
    hanging, screen = Screen(act=lambda _build, _page: gate.wait(60)), Screen()
    job(
        tmp_path,
        screen,
        lambda _build: hanging.wait_for(bool) and None,
        plugins={"hanging": hanging},
        pace=Pace(0.01, 60.0, 0.05),
    )
    gate.set()
    assert screen.last.last


def test_the_page_of_a_cancelled_build_says_so_and_stays(tmp_path: Path) -> None:
    screen = Screen()
    with Interrupt() as interrupt:

        def execute(build: Any) -> None:
            screen.wait_for(bool)
            interrupt.cancel("Zuul asked for it")
            build.check()

        outcome, _ = job(tmp_path, screen, execute, interrupt=interrupt)

    assert outcome.verdict is Verdict.CANCELLED
    assert outcome.findings == ()
    assert screen.published == []
    assert "Cancelled: Zuul asked for it" in text(screen.last)
    assert 'http-equiv="refresh"' not in text(screen.last)


def test_a_page_that_cannot_be_told_of_a_cancel_is_still_to_be_published(tmp_path: Path) -> None:
    def act(_build: Build, page: LivePage) -> None:
        if page.last:
            raise InfrastructureError("the target is away")

    screen, events = Screen(act=act), list[BuildEvent]()
    with Interrupt() as interrupt:

        def execute(build: Any) -> None:
            while BuildEventKind.PAGE not in {event.kind for event in events}:
                threading.Event().wait(0.01)
            interrupt.cancel("Zuul asked for it")
            build.check()

        outcome, _ = job(tmp_path, screen, execute, interrupt=interrupt, events=events)

    assert [(finding.code, finding.plugin) for finding in outcome.findings] == [("publish-failed", "screen")]


def test_a_build_that_was_cancelled_before_it_began_has_no_page(tmp_path: Path) -> None:
    screen = Screen()
    with Interrupt() as interrupt:
        interrupt.cancel("Zuul asked for it")
        job(tmp_path, screen, interrupt=interrupt)
    assert screen.pages == []


def test_a_page_that_does_not_change_is_put_up_now_and_then_as_a_sign_of_life(tmp_path: Path) -> None:
    screen = Screen()

    def execute(_build: Any) -> None:
        screen.wait_for(lambda page: "In stage execute" in text(page))
        seen = len(screen.pages)
        screen.wait_for(lambda page: screen.pages.index(page) > seen)

    job(tmp_path, screen, execute, pace=Pace(0.01, alive_s=0.01))


def test_the_log_is_told_in_pieces_that_end_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 100)
    path = tmp_path / "console.log"
    path.touch()
    log = LogPieces(path)
    try:
        assert log.take() == {}
        with path.open("ab", buffering=0) as file:
            file.write(b"one\ntwo\nhal")
            assert log.take() == {piece_name(1): b"one\ntwo\n"}
            assert log.take() == {}
            assert not log.whole
            file.write(b"f\n" + b"x" * 60 + b"\n" + b"y" * 60 + b"\n")
            first = b"one\ntwo\nhalf\n" + b"x" * 60 + b"\n"
            assert log.take() == {piece_name(1): first, piece_name(2): b"y" * 60 + b"\n"}
            assert (log.count, log.whole) == (2, True)
    finally:
        log.close()


def test_a_log_without_end_costs_no_more_than_so_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE", 10)
    monkeypatch.setattr(pieces, "MOST", 6)
    path = tmp_path / "console.log"
    path.write_bytes(b"123456789\n" * 20)
    log = LogPieces(path)
    try:
        taken = [len(log.take()) for _ in range(4)]
    finally:
        log.close()
    assert taken == [pieces.AT_ONCE, 6 - pieces.AT_ONCE, 0, 0]


def test_a_secret_is_on_no_page(tmp_path: Path) -> None:
    screen = Screen()

    def execute(build: Any) -> Execution:
        build.emit(Progress("with hunter2-hunter2", 1, 2))
        screen.wait_for(lambda page: "In stage execute: <bdi>with ***" in text(page))
        return Execution(findings=(Finding("told", Severity.WARNING, "hunter2-hunter2 was seen"),))

    made = lifecycle.Surroundings

    def surroundings(*arguments: Any, **named: Any) -> lifecycle.Surroundings:
        return made(*arguments, secrets={"password": Secret("hunter2-hunter2")}, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "Surroundings", surroundings)
        job(tmp_path, screen, execute)

    told = b"".join(content for page in screen.pages for content in page.files.values())
    assert b"*** was seen" in told
    assert b"hunter2" not in told


def test_a_job_whose_publishers_show_nothing_live_is_as_before(tmp_path: Path) -> None:
    before = threading.active_count()
    outcome, _ = job(tmp_path, FakePublisher(URL), lambda _build: None)
    assert outcome.verdict is Verdict.SUCCESS
    assert threading.active_count() == before
