"""What a step costs beyond itself on its way through the gate: one that only informs, and one that is judged, with all
that watches it. Both are steps that hardly do anything, twenty of each, beside the project's command alone."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thcore.model import Change, ChangeKind, Command
from thcore.testing import make_build
from thplugins_dbmigration import gate
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.tools.alembic import Alembic

from parts.alembic_project import ENV, AlembicProject
from parts.dataset import write_dataset
from parts.servers import MARIADB, SYSTEM, Kind, ground, open_directory

CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
STEPS = 20
"""Of the target branch, and as many of the change."""
ROUNDS = 3
INFORMS_MS = 50
"""The most for a step that informs."""
JUDGED_MS = 500
"""The most for one that is judged, on a busy machine too."""
CLI = (sys.executable, "-m", "alembic", "upgrade", "heads")
DRIVERS = {"mysql": "pymysql", "postgresql": "psycopg"}
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('r0');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(20));
INSERT INTO item VALUES (1, 'one');
"""


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each run of the project's command took, in seconds, whatever was done meanwhile."""
    took: list[float] = []

    def timed(walk: Callable[..., Any]) -> Callable[..., Any]:
        def walking(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return walk(*arguments)
            finally:
                took.append(time.perf_counter() - began)

        return walking

    monkeypatch.setattr(Alembic, "walk", timed(Alembic.walk))
    return took


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [MARIADB, SYSTEM], ids=str)
def test_a_step_that_is_judged_costs_little_beyond_itself(kind: Kind, walks: list[float]) -> None:
    with open_directory() as root:
        env = ENV.replace('context.config.get_main_option("sqlalchemy.url")', 'os.environ["DATABASE"]')
        trunk, change = (AlembicProject(root / name, env="import os\n" + env) for name in ("trunk", "change"))
        for number in range(2 * STEPS + 1):
            for tree in (trunk, change) if number <= STEPS else (change,):
                parent = f"r{number - 1}" if number else None
                tree.revision(f"r{number}", parent, "update item set name = 'two' where id = 1")
        write_dataset(root / "datasets", "small", SEED, type=kind.type, tool="alembic", tool_options={"command": CLI})
        alone: list[list[float]] = []
        watched: list[list[float]] = []
        for number in range(ROUNDS):
            alone.append(by_itself(root / f"alone{number}", kind, trunk, change))
            walks.clear()
            through_the_gate(root, kind, trunk, change, f"b{number}")
            watched.append(walks[:2])  # a rehearsal comes after them
        print(f"\n{kind}: {STEPS} steps that do little, {ROUNDS} rounds, more for each step than the command alone")
        more_ms = {}
        for name, bare, walk in zip(
            ("informs", "is judged"), zip(*alone, strict=True), zip(*watched, strict=True), strict=True
        ):
            every = sorted((watched_s - bare_s) * 1000 / STEPS for watched_s, bare_s in zip(walk, bare, strict=True))
            # Whatever else the machine does makes both longer only.
            more_ms[name] = (min(walk) - min(bare)) * 1000 / STEPS
            print(f"  one that {name}: {more_ms[name]:6.1f} ms [{every[0]:.1f}-{every[-1]:.1f}]")
        assert more_ms["informs"] < INFORMS_MS
        assert more_ms["is judged"] < JUDGED_MS


def by_itself(place: Path, kind: Kind, *projects: AlembicProject) -> list[float]:
    """How long the command of each project takes, one after the other on the same database."""
    took = []
    with ground(place, kind) as made, made.server() as server:
        address = server.create("shop", "shop", "tester")
        server.load(made.build, address, made.seed(SEED))
        variables = {"DATABASE": address.url(DRIVERS[address.dialect]), "PATH": os.environ["PATH"]}
        for project in projects:
            began = time.perf_counter()
            assert made.build.run(Command(CLI, cwd=project.path, env=variables)).ok
            took.append(time.perf_counter() - began)
    return took


def through_the_gate(root: Path, kind: Kind, trunk: AlembicProject, change: AlembicProject, build_id: str) -> None:
    shutil.rmtree(root / "state", ignore_errors=True)
    with make_build(
        root,
        change=CHANGE,
        provide=lambda _revision: trunk.provision(),
        settings=kind.settings,
        state=root / "state",
        build_id=build_id,
    ) as build:
        provision = change.provision()
        options = DbmigrationOptions(
            datasets=root / "datasets",
            variables={"DATABASE": f"{{url:{DRIVERS[kind.type]}}}"},
        )
        execution = gate.run(build, options, provision.checkout, provision.environment)
        steps = execution.datasets[0].steps
        assert [(step.added, step.result) for step in steps] == [(False, "ok")] * STEPS + [(True, "ok")] * STEPS
