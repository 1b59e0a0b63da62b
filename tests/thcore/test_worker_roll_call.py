from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import gear
import pytest

from thcore.gearman.link import Link
from thcore.gearman.packet import packet
from thcore.testing.gearmand import Gearmand
from thcore.worker.roll_call import RollCall

from parts.wire import Wire

pytestmark = pytest.mark.system


def wait_until(condition: Callable[[], bool], what: str) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.02)
    raise TimeoutError(f"never happened: {what}")


def test_a_worker_that_its_server_forgot_is_told_once_until_it_is_known_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Gearmand() as gearmand, Wire(gearmand.port) as wire:
        with Link([wire.address], "host-a", on_stop=lambda _build: None) as link:
            assert link.start(["build:play"])
            assert gearmand.offered("host-a", ["build:play"]) == ["build:play"]
            roll_call = RollCall(link, every_s=0.05)
            roll_call.start()
            assert roll_call.problems == ()

            with caplog.at_level(logging.ERROR, "thcore.worker.roll_call"):
                wire.say(packet(gear.constants.CANT_DO, b"build:play"))
                wait_until(lambda: bool(roll_call.problems), "the loss is found")
                wire.cut()
                wait_until(lambda: not roll_call.problems, "the new connection is known")

            roll_call.close()
        expected = f"{wire.address} does not list build:play for host-a: no job of it comes here"
        assert [record.getMessage() for record in caplog.records] == [expected]
        assert [getattr(record, "action", None) for record in caplog.records] == ["link_deaf"]
