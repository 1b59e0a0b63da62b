"""Names the plugin that others wait for, in the worker's log."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from thcore.model import PluginInfo
from thcore.monitoring.action import event
from thcore.plugins import Plugins

log = logging.getLogger(__name__)

LONG_S = 2.0
"""What somebody notices who waits, and far above what a busy machine adds."""


def tell_of_imports(plugins: Plugins) -> None:
    """Name each plugin that took long to load."""
    for name in plugins.names:
        loaded = plugins.get(name)
        if (cost := loaded.cost) is not None and cost.slow:
            told = f"{cost.wall_s:.1f} s to load, {cost.cpu_s:.1f} s of it processor time"
            more = f"what takes it so long is told by: thcore plugins check {name}"
            log.warning("%s took %s; %s", _known_as(loaded.info), told, more, extra=event("plugin_slow"))


@contextmanager
def for_hook(info: PluginInfo, hook: str) -> Iterator[None]:
    """Name the plugin if what is done meanwhile, a call of its hook, takes long."""
    begin = time.monotonic()
    try:
        yield
    finally:
        if (took_s := time.monotonic() - begin) > LONG_S:
            log.warning("%s took %.1f s for %s", _known_as(info), took_s, hook, extra=event("plugin_slow"))


def _known_as(info: PluginInfo) -> str:
    return f"plugin {info.name} ({info.distribution} {info.version})"
