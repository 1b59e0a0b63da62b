"""Processes of a test's own: several that begin at the same moment, and one that is killed at any."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable

import psutil

KILLS = int(os.environ.get("THCORE_KILLS", "20"))
"""How often tests kill what may be killed at any moment; ``make test-all`` has them do it a hundred times."""
ROUNDS = max(2, KILLS // 10)
"""How often eight processes are let loose on the same thing: twice, and ten times by ``make test-all``."""


def at_once(count: int, work: Callable[[int], object]) -> None:
    """Call ``work`` with each number in a process of its own; all begin together, and all must end well."""
    gate, opener = os.pipe()
    children = []
    for number in range(count):

        def wait_and_work(number: int = number) -> None:
            os.close(opener)
            os.read(gate, 1)
            work(number)

        children.append(forked(wait_and_work))
    os.close(opener)
    os.close(gate)
    ended = [os.waitpid(child, 0)[1] for child in children]
    assert ended == [0] * count, "what went wrong is in the captured stderr"


def forked(work: Callable[[], object]) -> int:
    """Start a process that does this and ends; answers its id. Whoever calls it waits for it."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - it ends here, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def killed(child: int, *, with_descendants: bool) -> None:
    """Kill a process without warning, with all that it started or alone, and see it gone."""
    victims = [psutil.Process(child)]
    if with_descendants:
        victims += victims[0].children(recursive=True)
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
    os.waitpid(child, 0)
