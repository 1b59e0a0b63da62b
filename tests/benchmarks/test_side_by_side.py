"""What it brings to take datasets of a build through side by side, and whether it changes what is measured."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.model import Change, ChangeKind, Execution, StepResult
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.servers import open_directory

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
DATASETS = ("first", "second")
ROUNDS = 3
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(40));
INSERT INTO item VALUES (1, 'a name of some length');
""" + "".join(f"INSERT INTO item SELECT id + {2**power}, name FROM item;\n" for power in range(18))
"""262,144 rows."""


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


def through_the_gate(root: Path, trunk: AlembicProject, change: AlembicProject, slots: int, number: int) -> Execution:
    with make_build(
        root,
        change=CHANGE,
        provide=lambda _revision: trunk.provision(),
        settings=DbmigrationSettings(dataset_slots=slots),
        state=root / "state",
        build_id=f"b{slots}-{number}",
    ) as build:
        provision = change.provision()
        options = DbmigrationOptions(datasets=root / "datasets")
        return gate.run(build, options, provision.checkout, provision.environment)


def judged(execution: Execution) -> list[StepResult]:
    return [step for run in execution.datasets for step in run.steps if step.added]


@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_datasets_side_by_side_take_less_time_and_cost_the_same(engine: str, root: Path) -> None:
    trunk = AlembicProject(root / "trunk").revision("a", None)
    trunk.revision("b", "a", "alter table item add column price integer", "update item set price = id")
    change = AlembicProject(root / "change")
    shutil.copytree(trunk.path, change.path, dirs_exist_ok=True)
    change.revision("c", "b", "update item set price = price + 1").revision("d", "c", "create index i on item (name)")
    for name in DATASETS:
        write_dataset(root / "datasets", name, SEED, type=engine)

    took: dict[tuple[str, int], list[float]] = {}
    steps: dict[int, list[list[StepResult]]] = {1: [], 2: []}
    for number in range(ROUNDS):
        for slots, results in steps.items():
            shutil.rmtree(root / "state", ignore_errors=True)
            for what in ("cold", "warm"):  # everything is restored and walked; all of that is there already
                began = time.perf_counter()
                execution = through_the_gate(root, trunk, change, slots, 2 * number + (what == "warm"))
                took.setdefault((what, slots), []).append(time.perf_counter() - began)
                results.append(judged(execution))

    processors = len(os.sched_getaffinity(0))
    print(f"\n{engine}, {len(DATASETS)} datasets, {processors} processors, seconds of {ROUNDS} rounds")
    for what in ("cold", "warm"):
        one, two = (statistics.median(took[what, slots]) for slots in steps)
        print(f"  {what}: one at a time {one:6.2f}, side by side {two:6.2f}; ratio {one / two:.2f}")
    for index, step in enumerate(steps[1][0][: len(steps[1][0]) // len(DATASETS)]):
        for slots, results in steps.items():
            walls = (one.measurement for every in results for one in every[index::2])
            times = [measured.wall_s for measured in walls if measured is not None]
            spread = f"{statistics.median(times):.3f} [{min(times):.3f}-{max(times):.3f}]"
            print(f"  judged step {step.step}, {slots} at a time: {spread} s")
    counted = {
        slots: {_rows(step) for all_of_them in results for step in all_of_them} for slots, results in steps.items()
    }
    assert counted[1] == counted[2]


def _rows(step: StepResult) -> tuple[str, int | None, int | None]:
    assert step.measurement is not None
    counters = step.measurement.counters
    return step.step.version, counters["Innodb_rows_read"], counters["XInnodb_rows_changed"]
