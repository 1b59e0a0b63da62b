"""Hundreds of real builds while children, workers, the Gearman server and the connections to it are killed.

``THCORE_CHAOS_SEED`` and ``THCORE_CHAOS_BUILDS`` choose another storm or a longer one: ``make chaos``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository

from parts import audit, remains
from parts.check_queue import CheckQueue, Submission
from parts.checkpoint import JOB, Checkpoint, Equipment
from parts.faults import STRIKES, Design, design
from parts.figures import counted, struck
from parts.station import Station
from parts.storm import Storm
from parts.zuul import Zuul

SEED = int(os.environ.get("THCORE_CHAOS_SEED") or 20140704)
BUILDS = int(os.environ.get("THCORE_CHAOS_BUILDS") or 76)
STRUCK_SHARE = 0.35
WORKERS = ("north", "south")
SLOTS = 3
WINDOW = 9
"""Builds in the queue at once: more than there are slots."""
MAX_ATTEMPTS = 3
SILENCE = "3s"
"""After which a worker gives a connection up; longer than a link is made silent for."""
PLACES = 1 + BUILDS // 40
"""Directories that the evidence goes to."""
PASSED = "passed"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300 + BUILDS)]


@pytest.fixture
def run() -> Iterator[Path]:
    """A directory that everything of the run is in; its name is short, since sockets are in there. It is kept when the
    run failed."""
    path = Path(tempfile.mkdtemp(prefix="chaos-"))
    (path / "tmp").mkdir()
    yield path
    remains.clear(path)
    if (path / PASSED).exists():
        shutil.rmtree(path)


def test_nothing_is_lost_doubled_or_left_behind_whatever_dies(
    run: Path, record_property: Callable[[str, object], None]
) -> None:
    began = time.monotonic()
    planned = design(SEED, BUILDS, STRUCK_SHARE)
    results = run / "results"
    repository = Repository(run / "repositories" / "example" / "tool")
    (repository.path / "job.sh").write_text(JOB)
    (repository.path / "job.sh").chmod(0o755)
    repository.commit({}, "the job")
    equipment = Equipment(run, run / "checkpoint", run / "repositories", results)
    with ExitStack() as stack:
        gearmand = stack.enter_context(Gearmand())
        stations = {name: station(run, name, gearmand, equipment) for name in WORKERS}
        storm = Storm(gearmand, stations)
        stack.enter_context(Checkpoint(run / "checkpoint", storm.meet))
        for one in stations.values():
            stack.enter_context(one)
        zuul = stack.enter_context(Zuul(gearmand.port, patience_s=60))
        queue = CheckQueue(zuul, "chaos", SEED, window=WINDOW, places=PLACES)

        brave(queue, storm, planned)
        weathered = time.monotonic() - began
        final_restart(stations)
        settle(queue)
        for one in stations.values():
            wait_until_empty(one.state / "spool")
        status = gearmand.status()
        for one in stations.values():
            one.close()
        figures = (
            f"seed {SEED}, {weathered:.0f} s of storm",
            counted(queue.submissions, storm.entries, stations.values()),
            struck(storm.struck),
        )
        record_property("figures", "\n".join(figures))
        states = {name: one.state for name, one in stations.items()}
        lines = {name: one.wire.connections for name, one in stations.items()}
        ended_in_order = [text for one in stations.values() for text in one.violations]

    entries = list(storm.entries)
    wrong = [
        *storm.violations,
        *ended_in_order,
        *zuul.violations,
        *audit.outcomes(queue.submissions),
        *audit.launches(queue.submissions),
        *audit.publications(queue.submissions, results, entries),
        *audit.journals(queue.submissions, states, entries),
        *audit.histories(queue.submissions, states),
        *audit.quarantine(queue.submissions, entries, MAX_ATTEMPTS),
        *audit.server(status, len(WORKERS)),
        *(f"left behind: {text}" for text in remains.everything(run, states, results, run / "tmp")),
        *(f"{count} connections of {name} are left" for name, count in lines.items() if count),
        *(f"never struck: {strike.fault.value} at {strike.stage}" for strike in STRIKES if not storm.struck[strike]),
    ]
    if not wrong:
        (run / PASSED).touch()
    assert not wrong, f"make chaos SEED={SEED} BUILDS={BUILDS}, kept in {run}:\n" + "\n".join(wrong)


def station(run: Path, name: str, gearmand: Gearmand, equipment: Equipment) -> Station:
    return Station(
        run / name,
        gearmand.port,
        name,
        [{**equipment.job("chaos", name), "nodes": [name]}],
        environment={"PYTHONPATH": str(equipment.site.path), "TMPDIR": str(run / "tmp")},
        slots=SLOTS,
        max_attempts=MAX_ATTEMPTS,
        kill_grace="1s",
        gearman={"silence": SILENCE},
    )


def brave(queue: CheckQueue, storm: Storm, planned: Design) -> None:
    """All builds of the design, and then as many more as it takes to strike what has not struck."""
    storm.plan(planned.strikes)
    submissions = [Submission(number, kind) for number, kind in enumerate(planned.kinds)]
    queue.see_through(submissions)
    storm.wait()
    for _ in range(5):
        missed = storm.missed()
        if not missed:
            break
        first = len(queue.submissions)
        storm.plan(dict(enumerate(missed, start=first)))
        queue.see_through([Submission(first + n, planned.kinds[n % BUILDS]) for n in range(len(missed))])
        storm.wait()


def final_restart(stations: dict[str, Station]) -> None:
    for one in stations.values():
        one.wait_ready()
        one.kill()
        one.wait_ready()


def settle(queue: CheckQueue) -> None:
    """Quiet builds: some for each worker by its name, and at least one for every directory with evidence."""
    nodes = [*WORKERS * SLOTS, *(None,) * PLACES]
    first = len(queue.submissions)
    queue.see_through([Submission(first + n, "short", node) for n, node in enumerate(nodes)])


def wait_until_empty(directory: Path, timeout: float = 30) -> None:
    """Wait until a worker has put everything in it away; what is left after that time is found later."""
    deadline = time.monotonic() + timeout
    while any(directory.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)  # another program's files: nothing to wait on
