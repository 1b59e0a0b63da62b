"""Whether the gate says the same of a migration on every run, on an idle machine and on a busy one.

Every migration of the catalogue is run THCORE_BENCH_REPEATS times (20), every second time while other processes keep
all processors and the disk busy. No verdict, finding, count of rows or kind of work may differ. The table tells for
each counter how much it differed between the runs of one step, beside the time that passed: the largest value less
the smallest, as a share of the median; of all steps the median, and the worst one with its migration.

THCORE_BENCH_ENGINES (``sqlite,postgresql,mysql``) chooses engines, THCORE_BENCH_FAILING=0 leaves out those that fail,
which take a build each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from catalogue import Builds, Expected, Seen

from parts.servers import open_directory

REPEATS = int(os.environ.get("THCORE_BENCH_REPEATS", "20"))
CHOSEN = os.environ.get("THCORE_BENCH_ENGINES", "sqlite,postgresql,mysql").split(",")
FAILING = os.environ.get("THCORE_BENCH_FAILING", "1") != "0"
LEAST = 50
"""A counter that is smaller than this is no work to speak of: one more or less would be a large share."""
BURN = "while True: sum(range(10000))"
WRITE = """
import os, sys
with open(sys.argv[1], "wb") as file:
    while True:
        file.seek(0)
        for _ in range(64):
            file.write(bytes(1 << 20))
        file.flush()
        os.fsync(file.fileno())
"""

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(14400)]


@contextmanager
def busy(place: Path) -> Iterator[None]:
    """All processors and the disk have something else to do."""
    programs = [[sys.executable, "-c", BURN]] * (os.cpu_count() or 1)
    programs.append([sys.executable, "-c", WRITE, str(place / "written")])
    running = [subprocess.Popen(program) for program in programs]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
        (place / "written").unlink(missing_ok=True)


def found(builds: Builds) -> Mapping[str, Seen]:
    """What is found of every migration, by its table."""
    told = builds.build([migration for migration in builds.migrations if not migration.fails])
    for migration in builds.migrations if FAILING else ():
        if migration.fails:
            told |= builds.build([migration])
    return told


@pytest.mark.parametrize("engine", CHOSEN)
def test_no_verdict_changes_whatever_the_machine_does(engine: str) -> None:
    verdicts: dict[str, set[Expected]] = defaultdict(set)
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with open_directory() as root:
        builds = Builds(root, engine)
        names = {migration.table: migration.name for migration in builds.migrations}
        found(builds)  # makes the dataset's snapshots
        for turn in range(REPEATS):
            if turn % 2:
                with busy(root):
                    told = found(builds)
            else:
                told = found(builds)
            for table, seen in told.items():
                verdicts[table].add(seen.as_expected)
                if seen.step.measurement is not None and seen.step.result == "ok":
                    figures["wall_s"][table].append(seen.step.measurement.wall_s)
                    for counter, value in seen.step.measurement.counters.items():
                        if value is not None:
                            figures[counter][table].append(float(value))
    changed = {names[table]: each for table, each in verdicts.items() if len(each) > 1}
    print(f"\n{engine}: {len(verdicts)} migrations, {REPEATS} times each: {len(changed)} changed their verdict")
    print(f"{'counter':34} {'steps':>5} {'median spread':>14} {'worst':>8}  of")
    for counter, by_step in sorted(figures.items(), key=lambda each: each[0] != "wall_s"):
        least = 0.0 if counter == "wall_s" else LEAST
        spreads = {table: _spread(values) for table, values in by_step.items() if statistics.median(values) > least}
        if spreads:
            worst = max(spreads, key=lambda table: spreads[table])
            middle = statistics.median(spreads.values())
            print(f"{counter:34} {len(spreads):5} {middle:13.2%} {spreads[worst]:8.2%}  {names[worst][:40]}")
    assert not changed


def _spread(values: list[float]) -> float:
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
