"""The process that owns one build: it waits for the build, runs the lifecycle, tells the outcome and ends.

It is forked from the nursery with everything loaded, leads a session of its own, and adopts whatever its programs
leave behind.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from multiprocessing.connection import Connection

from thcore.hooks import Workspace
from thcore.model import BuildEvent
from thcore.pipeline import lifecycle
from thcore.pipeline.lifecycle import Surroundings
from thcore.pipeline.plan import Plan
from thcore.process.interrupt import Interrupt
from thcore.worker import message
from thcore.worker.message import Assignment, Cancel

log = logging.getLogger(__name__)


def serve(connection: Connection, plans: dict[str, Plan], surroundings: Surroundings) -> None:
    """Do the one build that arrives on ``connection``. Returns without one when the worker hangs up."""
    try:
        assignment = message.receive(connection)
    except (EOFError, OSError):
        return
    if not isinstance(assignment, Assignment):
        raise TypeError(f"expected a build, not {assignment!r}")
    deadline = None if assignment.timeout_s is None else time.monotonic() + assignment.timeout_s
    interrupt = Interrupt(deadline=deadline)

    def on_sigterm(_signal: int, _frame: object) -> None:
        interrupt.cancel(_reason(connection))

    def tell(event: BuildEvent) -> None:
        try:
            message.send(connection, event)
        except OSError:
            interrupt.cancel("the worker is gone")

    signal.signal(signal.SIGTERM, on_sigterm)
    workspace = Workspace(assignment.root)
    plan = plans[assignment.request.job]
    outcome = lifecycle.run(assignment.request, assignment.attempt, plan, surroundings, workspace, interrupt, tell)
    try:
        message.send(connection, outcome)
    except OSError:
        log.warning("build %s: %s, but the worker is gone", outcome.build, outcome.verdict.value)


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
