from __future__ import annotations

import select
import signal
import threading
import time
from types import FrameType

import pytest

from thcore.errors import CancelledError, DeadlineError
from thcore.process import Interrupt


def readable(interrupt: Interrupt) -> bool:
    return bool(select.select([interrupt], [], [], 0)[0])


def test_a_fresh_interrupt_stops_nothing() -> None:
    with Interrupt() as interrupt:
        interrupt.check()
        assert interrupt.cancelled is None
        assert interrupt.remaining_s() is None
        assert not readable(interrupt)


def test_the_first_reason_wins_and_the_descriptor_stays_readable() -> None:
    with Interrupt() as interrupt:
        interrupt.cancel("Zuul sent a stop")
        interrupt.cancel("the worker is stopping")
        assert interrupt.cancelled == "Zuul sent a stop"
        assert readable(interrupt)
        assert readable(interrupt)
        with pytest.raises(CancelledError, match="Zuul sent a stop"):
            interrupt.check()


def test_a_deadline_that_has_passed_raises() -> None:
    with Interrupt(time.monotonic() - 1) as interrupt:
        assert interrupt.remaining_s() == 0.0
        with pytest.raises(DeadlineError, match="time limit"):
            interrupt.check()


def test_a_deadline_to_come_leaves_time() -> None:
    with Interrupt(time.monotonic() + 100) as interrupt:
        interrupt.check()
        remaining = interrupt.remaining_s()
        assert remaining is not None
        assert 90 < remaining <= 100


def test_a_cancel_goes_before_a_deadline() -> None:
    with Interrupt(time.monotonic() - 1) as interrupt:
        interrupt.cancel("enough")
        with pytest.raises(CancelledError):
            interrupt.check()


def test_a_thread_and_a_signal_handler_may_cancel() -> None:
    with Interrupt() as interrupt:
        thread = threading.Thread(target=interrupt.cancel, args=("from a thread",))
        thread.start()
        assert select.select([interrupt], [], [], 10)[0]
        thread.join()
    with Interrupt() as interrupt:

        def handle(number: int, frame: FrameType | None) -> None:
            interrupt.cancel("from a signal handler")

        before = signal.signal(signal.SIGUSR1, handle)
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert interrupt.cancelled == "from a signal handler"
        assert readable(interrupt)


def test_a_closed_interrupt_can_still_be_cancelled() -> None:
    interrupt = Interrupt()
    interrupt.close()
    interrupt.close()
    interrupt.cancel("late")
    assert interrupt.cancelled == "late"
