"""What happens, told to whoever listens. An event can never change a build."""

from __future__ import annotations

import datetime
import enum

from attrs import frozen


@frozen
class Progress:
    """How far a stage is: ``done`` of ``total`` (0 of 0 when unknown), and what it is at."""

    message: str
    done: int = 0
    total: int = 0


class BuildEventKind(enum.Enum):
    """What can happen to a build."""

    STARTED = "started"
    STAGE_STARTED = "stage-started"
    STAGE_ENDED = "stage-ended"
    PROGRESS = "progress"
    PAGE = "page"
    """There is a page that shows it while it runs."""
    ENDED = "ended"


@frozen
class BuildEvent:
    """Something happened to a build. ``detail`` is the stage's result, the verdict, the progress message or the
    address of the page."""

    kind: BuildEventKind
    build_id: str
    job: str
    attempt: int
    at: datetime.datetime
    stage: str | None = None
    detail: str = ""
    done: int = 0
    total: int = 0


class WorkerEventKind(enum.Enum):
    """What can happen to a worker."""

    STARTED = "started"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    DRAINING = "draining"
    STOPPED = "stopped"
    PROBLEM = "problem"


@frozen
class WorkerEvent:
    """Something happened to the worker."""

    kind: WorkerEventKind
    at: datetime.datetime
    detail: str = ""
