"""What a build's events are for: WORK_STATUS and WORK_DATA for Zuul, the log, and whoever else wants to hear them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from thcore.gearman.link import Delivery
from thcore.model import BuildEvent, BuildEventKind, StageName
from thcore.monitoring.action import BuildLogger
from thcore.monitoring.action import event as action

log = logging.getLogger(__name__)

SHARE: Mapping[StageName, tuple[int, int]] = {
    StageName.CHECKOUT: (0, 10),
    StageName.ENVIRONMENT: (10, 25),
    StageName.EXECUTE: (25, 90),
    StageName.ANALYSE: (90, 95),
    StageName.PUBLISH: (95, 100),
}
"""From which to which percentage each stage takes a build, for WORK_STATUS."""


class Listener:
    """Passes a build's events on: to Gearman as WORK_STATUS, to the log, to whoever else wants to hear them.

    ``data`` makes the WORK_DATA that tells where the build's page is; ``address`` is what Zuul was told so far.
    """

    STATUS_EVERY_S = 1.0

    def __init__(
        self,
        delivery: Delivery,
        attempt: int,
        job: str,
        hear: Callable[[BuildEvent], None],
        data: Callable[[str], bytes],
        address: str | None = None,
    ) -> None:
        self._delivery = delivery
        self._data = data
        self._address = address
        self._told = BuildLogger(log, build=delivery.unique, attempt=attempt, job=job)
        self._hear = hear
        self._sent = (0, 0.0)

    def hear(self, event: BuildEvent) -> None:
        """Take one event of the build."""
        if event.kind is BuildEventKind.STAGE_ENDED:
            self._told.info("%s", event.detail, extra=action("stage_ended", stage=event.stage))
        if event.kind is BuildEventKind.PAGE and event.detail != self._address:
            self._address = event.detail
            self._delivery.data(self._data(event.detail))
        self._send_status(event)
        self._hear(event)

    def _send_status(self, event: BuildEvent) -> None:
        percent = percentage(event)
        now = time.monotonic()
        last, when = self._sent
        stage_began = event.kind is BuildEventKind.STAGE_STARTED
        if percent is not None and percent > last and (stage_began or now - when >= self.STATUS_EVERY_S):
            self._sent = (percent, now)
            self._delivery.status(percent, 100)


def percentage(event: BuildEvent) -> int | None:
    """How far a build is, in per cent, when this event says so."""
    if event.stage is None:
        return None
    start, end = SHARE[StageName(event.stage)]
    if event.kind is BuildEventKind.STAGE_STARTED:
        return start
    if event.kind is BuildEventKind.PROGRESS and event.total:
        return start + round((end - start) * min(event.done, event.total) / event.total)
    return None
