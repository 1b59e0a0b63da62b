"""Tells plugins what happens to the worker."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable

from thcore.errors import PluginError
from thcore.model import WorkerEvent, WorkerEventKind
from thcore.monitoring.action import event
from thcore.worker.generation import Generation

log = logging.getLogger(__name__)


class Herald:
    """Calls ``thcore_worker_event`` of every plugin of the current generation, in whatever thread has the news."""

    def __init__(self, generation: Callable[[], Generation]) -> None:
        self._generation = generation

    def tell(self, kind: WorkerEventKind, detail: str = "") -> None:
        """Tell it. A plugin that raises affects nothing."""
        news = WorkerEvent(kind, datetime.datetime.now(datetime.UTC), detail)
        plugins = self._generation().surroundings.plugins
        for name in plugins.implementing("thcore_worker_event"):
            try:
                plugins.worker_event(name, news)
            except PluginError as error:
                log.warning("%s", error, extra=event("plugin_failed"))
