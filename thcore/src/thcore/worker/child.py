"""The process that owns one build: it waits for the build, runs the lifecycle, tells the outcome and ends.

It is forked from the nursery with everything loaded, leads a session of its own, and adopts whatever its programs
leave behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from thcore.hooks import Workspace
from thcore.model import BuildEvent, Outcome
from thcore.pipeline import lifecycle
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.process.interrupt import Interrupt
from thcore.worker import message
from thcore.worker.message import Assignment, Cancel, Ended, Judged, Publishing


def serve(connection: Connection, plans: dict[str, Plan], surroundings: Surroundings) -> None:
    """Do the one piece of work that arrives on ``connection``. Returns without one when the worker hangs up."""
    try:
        work = message.receive(connection)
    except (EOFError, OSError):
        return
    if not isinstance(work, Assignment | Publishing):
        raise TypeError(f"expected work, not {work!r}")
    timeout_s = work.timeout_s if isinstance(work, Assignment) else lifecycle.EVIDENCE_S
    interrupt = Interrupt(deadline=None if timeout_s is None else time.monotonic() + timeout_s)

    def on_sigterm(_signal: int, _frame: object) -> None:
        interrupt.cancel(_reason(connection))

    def tell(news: BuildEvent | Judged) -> None:
        try:
            message.send(connection, news)
        except OSError:
            interrupt.cancel("the worker is gone")

    signal.signal(signal.SIGTERM, on_sigterm)
    # A cancel that came before had its signal ignored, but its reason is on the connection.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    if connection.poll(0):
        interrupt.cancel(_reason(connection))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    outcome = _do(work, plans, surroundings, interrupt, tell)
    with contextlib.suppress(OSError):  # the worker is gone
        message.send(connection, Ended(outcome))


def _do(
    work: Assignment | Publishing,
    plans: dict[str, Plan],
    surroundings: Surroundings,
    interrupt: Interrupt,
    tell: Callable[[BuildEvent | Judged], None],
) -> Outcome:
    workspace = Workspace(work.root)
    plan = plans[work.request.job]
    if isinstance(work, Publishing):
        return lifecycle.publish_again(
            work.request, work.outcome, work.publishers, plan, surroundings, workspace, interrupt, tell
        )

    def judged(outcome: Outcome) -> None:
        tell(Judged(outcome))

    return lifecycle.run(work.request, work.attempt, plan, surroundings, workspace, interrupt, tell, judged)


def _reason(connection: Connection) -> str:
    """The reason that the worker sent along with SIGTERM; the signal may also come from elsewhere."""
    try:
        if connection.poll(0):
            told = message.receive(connection)
            if isinstance(told, Cancel):
                return told.reason
    except (EOFError, OSError):
        return "the worker is gone"
    return f"process {os.getpid()} was sent SIGTERM"
