"""What it brings to take datasets of a build through side by side, and whether it changes what is measured."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from thcore.model import Change, ChangeKind, Execution, StepResult
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.lanes import shares
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.servers import open_directory

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
DATASETS = ("first", "second")
ROUNDS = 3
MOST = 2.0
"""How many times as long a judged step may take beside another dataset as alone on the same processors."""
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


def through_the_gate(root: Path, trunk: AlembicProject, change: AlembicProject, slots: int, build_id: str) -> Execution:
    with make_build(
        root,
        change=CHANGE,
        provide=lambda _revision: trunk.provision(),
        settings=DbmigrationSettings(dataset_slots=slots),
        state=root / "state",
        build_id=f"b{build_id}",
    ) as build:
        provision = change.provision()
        options = DbmigrationOptions(datasets=root / "datasets")
        return gate.run(build, options, provision.checkout, provision.environment)


@frozen
class Way:
    """How datasets are taken through: so many at a time, on these processors."""

    name: str
    slots: int
    processors: Collection[int]

    @contextmanager
    def on_its_processors(self) -> Iterator[None]:
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.processors)
        try:
            yield
        finally:
            os.sched_setaffinity(0, every)


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

    every = os.sched_getaffinity(0)
    ways = (Way("alone", 1, every), Way("alone on its share", 1, shares(every, 2)[0]), Way("side by side", 2, every))
    took: dict[tuple[str, str], list[float]] = {}
    steps: dict[str, list[StepResult]] = {way.name: [] for way in ways}
    for number in range(ROUNDS):
        for way in ways:
            shutil.rmtree(root / "state", ignore_errors=True)
            for what in ("cold", "warm"):  # everything is restored and walked; all of that is there already
                began = time.perf_counter()
                with way.on_its_processors():
                    execution = through_the_gate(root, trunk, change, way.slots, f"{ways.index(way)}-{number}-{what}")
                took.setdefault((what, way.name), []).append(time.perf_counter() - began)
                steps[way.name] += judged(execution)

    print(f"\n{engine}, {len(DATASETS)} datasets, {len(every)} processors, seconds of {ROUNDS} rounds")
    for what in ("cold", "warm"):
        told = ", ".join(f"{way.name} {statistics.median(took[what, way.name]):6.2f}" for way in ways)
        print(f"  {what}: {told}")
    longer = {}
    for version in ("c", "d"):
        times = {
            name: [_wall_s(step) for step in found if step.step.version == version] for name, found in steps.items()
        }
        for name, found in times.items():
            print(
                f"  judged step {version}, {name}: {statistics.median(found):.3f} [{min(found):.3f}-{max(found):.3f}] s"
            )
        longer[version] = statistics.median(times["side by side"]) / statistics.median(times["alone on its share"])
        print(f"  judged step {version} takes {longer[version]:.2f} times as long beside another dataset")
    counted = [{_rows(step) for step in found} for found in steps.values()]
    assert counted == [counted[0]] * len(ways)
    assert max(longer.values()) < MOST


def _wall_s(step: StepResult) -> float:
    assert step.measurement is not None
    return step.measurement.wall_s


def _rows(step: StepResult) -> tuple[str, int | None, int | None]:
    assert step.measurement is not None
    counters = step.measurement.counters
    return step.step.version, counters["Innodb_rows_read"], counters["XInnodb_rows_changed"]
