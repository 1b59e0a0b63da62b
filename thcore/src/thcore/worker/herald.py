"""Tells plugins what happens, in a thread of its own: no hook can hold up a build, a connection or the worker."""

from __future__ import annotations

import datetime
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial

from attrs import frozen

from thcore.errors import PluginError
from thcore.model import BuildEvent, PluginInfo, WorkerEvent, WorkerEventKind
from thcore.monitoring.action import event
from thcore.pipeline.plan import Plan
from thcore.plugins import Plugins
from thcore.worker import waiting
from thcore.worker.generation import Generation

log = logging.getLogger(__name__)

WAITING = 1000
"""How many calls may wait for plugins that take their time; further news is not told."""
PATIENCE_S = 5.0
"""How long an ending worker waits until everything is told."""


@frozen
class Call:
    """A call of a plugin's hook that is still to be made."""

    info: PluginInfo
    hook: str
    make: Callable[[], None]


class Herald:
    """Calls ``thcore_worker_event`` and ``thcore_build_event``, in the order of the news. Any thread may tell."""

    def __init__(self, generation: Callable[[], Generation]) -> None:
        self._generation = generation
        self._calls: queue.Queue[Call | None] = queue.Queue(WAITING)
        self._current: Call | None = None
        self._lost = False
        self._thread = threading.Thread(target=self._run, name="herald", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, kind: WorkerEventKind, detail: str = "") -> None:
        """Tell every plugin of the current generation what happened to the worker."""
        news = WorkerEvent(kind, datetime.datetime.now(datetime.UTC), detail)
        plugins = self._generation().surroundings.plugins
        for name in plugins.implementing("thcore_worker_event"):
            self._put(Call(plugins.get(name).info, "thcore_worker_event", partial(plugins.worker_event, name, news)))

    def tell_build(self, plugins: Plugins, plan: Plan, news: BuildEvent) -> None:
        """Tell the plugins of a build's job what happened to it."""
        for name in plugins.implementing("thcore_build_event", plan.plugins):
            self._put(Call(plugins.get(name).info, "thcore_build_event", partial(plugins.build_event, name, news)))

    def close(self) -> None:
        """Tell what waits, for some seconds at most."""
        try:
            self._calls.put(None, timeout=PATIENCE_S)
        except queue.Full:
            return
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)

    def _put(self, call: Call) -> None:
        try:
            self._calls.put_nowait(call)
            self._lost = False
        except queue.Full:
            if not self._lost:
                slow = self._current or call
                told = f"plugin {slow.info.name} takes too long for {slow.hook}"
                log.error("%s; news is not told to anybody meanwhile", told, extra=event("plugin_failed"))
            self._lost = True

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            self._current = call
            try:
                with waiting.for_hook(call.info, call.hook):
                    call.make()
            except PluginError as error:
                log.warning("%s", error, extra=event("plugin_failed"))
            except Exception:
                log.exception("telling a plugin failed", extra=event("worker_faulty"))
