"""How a clone was made does not show in what a step costs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.hooks import Build
from thcore.testing import make_build
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.drivers import engine_for
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.measure import meaning, measured
from thplugins_dbmigration.snapshots import clone, restored, ways
from thplugins_dbmigration.snapshots.ways import Way

from parts.dataset import as_read, write_dataset
from parts.loop import reflinking
from parts.servers import EMBEDDED, MARIADB, SQLITE, Kind, query

pytestmark = pytest.mark.system

ROWS = 3000
STEPS = (
    "UPDATE things SET name = 'other'",
    "CREATE INDEX by_name ON things (name, id)",
    "ALTER TABLE things ADD COLUMN size INTEGER DEFAULT 5",
    "DELETE FROM things WHERE id < 1000",
)
EXACT = frozenset({"rows", "requests"})
"""Units of what must be the same to the last digit."""
SLACK = 0.02
"""How far bytes may be apart: a log that is written a moment earlier has one block more."""

Cost = dict[str, int | None]


def dataset_of(directory: Path, kind: str) -> Dataset:
    rows = ", ".join(f"({number}, 'thing {number * 7919 % ROWS}')" for number in range(ROWS))
    sql = f"CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(40));\nINSERT INTO things VALUES {rows};\n"
    account = {"database": "app", "db_user": "app", "db_pass": "password"}
    return as_read(write_dataset(directory.parent, directory.name, sql, type=kind, **account))


def costs(build: Build, kind: Kind, dataset: Dataset) -> list[Cost]:
    """What each step costs on a clone."""
    engine = engine_for(kind.type)
    installation = engine.installation(build)
    target = build.workspace.temporary / "data"
    clone(build, restored(build, engine, installation, dataset), target)
    with engine.start(build, installation, target, log=build.workspace.temporary / "server.log") as server:
        return list(_stepped(server, engine.name))


def _stepped(server: Server, engine: str) -> Iterator[Cost]:
    address = server.address("app", "app", "password")
    server.counters(address)  # what a first reading costs, it alone costs
    for step in STEPS:
        before = settled(server)
        query(address, step)
        yield measured(engine, before, settled(server))


def settled(server: Server) -> Cost:
    """The counters once every session has told what it did."""
    address = server.address("app", "app", "password")
    deadline = time.monotonic() + 20
    while True:
        counters = server.counters(address)
        if counters.get("tup_updated", 0) is not None or time.monotonic() > deadline:
            return counters


def compare(one: list[Cost], other: list[Cost], engine: str) -> None:
    for step, first, second in zip(STEPS, one, other, strict=True):
        for counter, value in first.items():
            known = meaning(engine, counter)
            assert known is not None, counter
            if value is None or known.unit in EXACT:
                assert second[counter] == value, (step, counter)
            elif known.unit == "bytes":
                assert second[counter] == pytest.approx(value, rel=SLACK, abs=4096), (step, counter)


@pytest.mark.parametrize("kind", [MARIADB, pytest.param(EMBEDDED, marks=pytest.mark.slow), SQLITE], ids=str)
def test_a_step_costs_the_same_on_a_copy_and_on_shared_blocks(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(tmp_path / "seeds", kind.type)
    with make_build(tmp_path, settings=kind.settings) as build:
        copied = costs(build, kind, dataset)
        snapshots = build.state / "snapshots"
    assert any((cost.get("XInnodb_rows_changed") or 0) >= ROWS for cost in copied) or kind is SQLITE
    with reflinking(tmp_path / "xfs", megabytes=1000) as place:
        (place / "state" / "plugins").mkdir(parents=True)
        # A snapshot may be moved with everything else: what is the same bytes is the same snapshot.
        subprocess.run(["cp", "-a", str(snapshots), str(place / "state" / "plugins")], check=True)
        with make_build(place / "shared", state=place / "state", settings=kind.settings) as build:
            assert ways.clone_way(build) == Way.REFLINK
            shared = costs(build, kind, dataset)
            assert "making one" not in build.workspace.log.read_text()
        monkeypatch.setattr(ways, "between", lambda _source, _target: Way.COPY)
        with make_build(place / "copied", state=place / "state", settings=kind.settings) as build:
            copied_there = costs(build, kind, dataset)
    compare(copied, shared, kind.type)
    compare(copied, copied_there, kind.type)
