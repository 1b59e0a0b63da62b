"""Jobs per second through a real gearmand: our link against a gear worker as it comes.

One worker process and one client process, empty jobs one after the other, the four packets that Zuul is sent. The
client sends without delay for both. The two are measured in turns, so that a busy machine slows both; the median of
each counts.
"""

from __future__ import annotations

import statistics
import sys
import threading

import pytest

from benchmarks.bare import DATA, RivalWorker
from thcore.gearman.link import Link
from thcore.gearman.zuul import Reply
from thcore.testing.gearmand import Gearmand

ROUNDS = 3
LINK_JOBS = 400
GEAR_JOBS = 40
FUNCTION = "build:benchmark"
GOAL = 20
"""How many times a bare worker's rate the link must reach."""


def serve(port: int, function: str) -> None:
    """The worker process: the link."""
    with Link([f"127.0.0.1:{port}"], "host-a", on_stop=print) as link:
        link.start([function])

        def work() -> None:
            while (delivery := link.take()) is not None:
                delivery.begin(DATA.encode())
                delivery.finish(Reply(DATA.encode(), complete=True))

        slot = threading.Thread(target=work)
        slot.start()
        slot.join()


@pytest.mark.system
def test_the_link_answers_twenty_times_as_many_jobs_as_a_bare_worker() -> None:
    rates: dict[str, list[float]] = {"link": [], "bare": []}
    with Gearmand() as server:
        for _ in range(ROUNDS):
            with RivalWorker(server.port, FUNCTION, "benchmarks.test_gearman_link") as link:
                rates["link"].append(link.rate(LINK_JOBS))
            with RivalWorker(server.port, FUNCTION) as bare:
                rates["bare"].append(bare.rate(GEAR_JOBS))

    ours, theirs = (statistics.median(rates[kind]) for kind in ("link", "bare"))
    print(f"\nlink {ours:.0f} jobs/s, bare gear worker {theirs:.1f} jobs/s, ratio {ours / theirs:.0f}; rounds {rates}")
    assert ours >= GOAL * theirs


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
