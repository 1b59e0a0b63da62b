"""The page of a build while it runs, kept up beside the stages by the publishers that can.

It is a courtesy: whatever a publisher does there, the stages do not wait for it, and the build ends as it would without
it.
"""

from __future__ import annotations

import contextlib
import datetime
import signal
import threading
import time
from types import TracebackType
from typing import Self

from attrs import evolve, frozen

from thcore.errors import StoppedError
from thcore.model import (
    BuildEvent,
    BuildEventKind,
    LivePage,
    Progress,
    StageName,
    Standing,
    Verdict,
    WorkerInfo,
)
from thcore.model.quantity import format_duration
from thcore.pages import live as pages
from thcore.pages.live import LogSoFar
from thcore.pipeline import verdict
from thcore.pipeline.build import StageBuild
from thcore.pipeline.pieces import LogPieces
from thcore.pipeline.record import Record, blank, blanked, now
from thcore.process.interrupt import Interrupt
from thcore.process.tail import last_lines

HOOK = "thcore_publish_live"

_TAIL = 60  # lines


@frozen
class Pace:
    """How often a page is put up, in seconds: when something has changed at most every ``every_s``, sooner while the
    build is young; every ``alive_s`` in any case, which tells that the build is not dead. ``patience_s`` is how long
    a publisher may take for the last page."""

    every_s: float = 5.0
    alive_s: float = 60.0
    patience_s: float = 3.0


class Live:
    """The pages of one build. Entered before the stages begin, ``end`` is called when they are over.

    ``build`` is to be used instead of the one it was made with: what it tells is seen on the page.
    """

    def __init__(
        self, build: StageBuild, record: Record, worker: WorkerInfo, started: datetime.datetime, pace: Pace
    ) -> None:
        self._plain = build
        self._record = record
        self._pace = pace
        names = build.plugins.implementing(HOOK, build.plan.stages[StageName.PUBLISH])
        self._names = () if build.interrupt.cancelled else names
        change, log_path = build.request.change, build.log_path
        self._standing = Standing(build.job, build.id, build.attempt, change, log_path, worker, started, started)
        self._ended = threading.Event()
        self._over = Interrupt()
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}
        self._closed: set[str] = set()
        self._given_up: set[str] = set()
        self._threads: dict[str, threading.Thread] = {}
        self.build = evolve(build, emit_event=self._hear)

    def _hear(self, event: BuildEvent) -> None:
        """Note an event of the build on its way to whoever else hears it. One at a time."""
        if event.kind is BuildEventKind.STAGE_STARTED and event.stage:
            self._standing = evolve(self._standing, stage=StageName(event.stage), since=event.at, progress=None)
        elif event.kind is BuildEventKind.STAGE_ENDED:
            self._standing = evolve(self._standing, stage=None, since=None, progress=None)
        elif event.kind is BuildEventKind.PROGRESS:
            told = Progress(blank(self._plain, event.detail), event.done, event.total)
            self._standing = evolve(self._standing, progress=told)
        self._plain.emit_event(event)

    def __enter__(self) -> Self:
        for name in self._names:
            with contextlib.suppress(OSError):  # without a log there is no page; the build will have more to say of it
                pieces = LogPieces(self._plain.workspace.log)
                self._threads[name] = threading.Thread(
                    target=self._keep_up, args=(name, pieces), name=f"live-{name}", daemon=True
                )
                self._threads[name].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        if not any(thread.is_alive() for thread in self._threads.values()):
            self._over.close()

    def end(self, judged: Verdict, summary: str) -> tuple[str, ...]:
        """Put up the last page, for some seconds at most; whoever takes longer is given up. Answers the plugins whose
        page is there and does not say this."""
        self._standing = evolve(self._standing, stage=None, verdict=judged, summary=summary)
        self._stop()
        return tuple(name for name in self._addresses if name not in self._closed)

    @property
    def shown(self) -> tuple[str, ...]:
        """The plugins whose page is there."""
        return tuple(self._addresses)

    def _stop(self) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        horizon = time.monotonic() + self._pace.patience_s
        for thread in self._threads.values():
            thread.join(max(0.0, horizon - time.monotonic()))
        self._over.cancel("the page comes too late")
        for name, thread in self._threads.items():
            thread.join(0.1)  # one that looks at its build ends now
            if thread.is_alive():
                patience = format_duration(self._pace.patience_s)
                self._give_up(name, f"it has not answered within {patience} of the end")

    def _keep_up(self, name: str, pieces: LogPieces) -> None:
        """One publisher's thread."""
        # The signal that ends the build is for the thread that does it.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        shown: object = None
        shown_at = 0.0
        pause_s = 1.0
        try:
            while True:
                last = self._ended.is_set()
                news = self._news(pieces)
                if last or news != shown or time.monotonic() - shown_at >= self._pace.alive_s:
                    shown, shown_at = news, time.monotonic()
                    if not self._put_up(name, pieces, last=last) or last:
                        return
                self._ended.wait(min(pause_s, self._pace.every_s))
                pause_s += 1.0
        except StoppedError as stopped:
            if not self._over.cancelled:
                self._give_up(name, str(stopped))
        except Exception as error:  # noqa: BLE001 - whatever it was, it costs the page and nothing else
            self._give_up(name, f"{error}")
        finally:
            pieces.close()

    def _news(self, pieces: LogPieces) -> object:
        return self._standing, len(self._record.stages), len(self._record.findings), pieces.size()

    def _put_up(self, name: str, pieces: LogPieces, *, last: bool) -> bool:
        """Have one page put up; False: the publisher does not want to."""
        build = evolve(self._plain.view(name), interrupt=self._over)
        page = self._page(pieces, last=last)
        publication = build.plugins.publish_live(name, build, build.options, page)
        if publication is None:
            return False
        with self._lock:
            before = self._first()
            self._addresses[name] = publication.url
            address = self._first()
        if last:
            self._closed.add(name)
        elif address != before:
            self._plain.tell(BuildEventKind.PAGE, address)
        return True

    def _first(self) -> str:
        """The address that counts: that of the first publisher, as with the evidence."""
        return next((self._addresses[name] for name in self._names if name in self._addresses), "")

    def _page(self, pieces: LogPieces, *, last: bool) -> LivePage:
        build = self._plain
        found = tuple(blanked(build, finding) for finding in verdict.by_weight(tuple(self._record.findings)))
        standing = evolve(self._standing, at=now(), stages=tuple(self._record.stages), findings=found)
        taken = pieces.take()
        log = LogSoFar(last_lines(build.workspace.log, _TAIL), pieces.size(), pieces.count, last or pieces.whole)
        return LivePage(standing.fence, pages.files(standing, log, taken, self._pace.every_s), last)

    def _give_up(self, name: str, reason: str) -> None:
        with self._lock:
            known = name in self._given_up
            self._given_up.add(name)
        if not known:
            self._plain.log(f"the page of the running build is given up: {name}: {reason.splitlines()[0]}")
