from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from thcore.hooks import hookimpl
from thcore.model import PluginInfo, WorkerEventKind
from thcore.plugins import Plugins, cost
from thcore.worker import herald, waiting
from thcore.worker.generation import Generation
from thcore.worker.herald import Herald

from parts.distribution import Site, site
from parts.plugin_source import QUIET

INFO = PluginInfo("report", "acme-report", "2.1")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path / "site") as made:
        yield made


def test_a_hook_that_takes_long_is_named_with_its_plugin(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONG_S", 0.0)
    with pytest.raises(ValueError, match="it also failed"), waiting.for_hook(INFO, "thcore_preload"):
        raise ValueError("it also failed")

    assert caplog.messages == ["plugin report (acme-report 2.1) took 0.0 s for thcore_preload"]


def test_a_hook_that_is_quick_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    with waiting.for_hook(INFO, "thcore_preload"):
        pass

    assert caplog.messages == []


def test_only_the_plugin_that_is_slow_to_load_is_named(
    place: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.plugin("quick", QUIET)
    place.plugin("slow", f"import time\nend = time.thread_time() + 0.2\nwhile time.thread_time() < end: pass\n{QUIET}")
    monkeypatch.setattr(cost, "SLOW_CPU_S", 0.15)

    waiting.tell_of_imports(Plugins.installed({"quick", "slow"}))

    (said,) = caplog.messages
    assert said.startswith("plugin slow (acme-slow 1.2.3) took 0.")
    assert said.endswith("thcore plugins check slow")


class Sleeper:
    """Hears of events, and does not come back before it is woken."""

    def __init__(self) -> None:
        self.called, self.woken = threading.Event(), threading.Event()

    @hookimpl
    def thcore_worker_event(self) -> None:
        self.called.set()
        self.woken.wait(30)


def test_who_keeps_all_others_from_hearing_of_events_is_named_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(herald, "WAITING", 2)
    plugins, sleeper = Plugins(), Sleeper()
    plugins.add("sleeper", sleeper)
    generation = SimpleNamespace(surroundings=SimpleNamespace(plugins=plugins))
    teller = Herald(lambda: cast("Generation", generation))
    teller.start()
    teller.tell(WorkerEventKind.STARTED)
    assert sleeper.called.wait(30)

    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            teller.tell(WorkerEventKind.PROBLEM, "again")
    sleeper.woken.set()
    teller.close()

    assert caplog.messages == [
        "plugin sleeper takes too long for thcore_worker_event; news is not told to anybody meanwhile"
    ]
