"""What watching a project's steps costs, beside the same command alone: 200 steps that do nothing."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from attrs import define

from thcore.model import Command, Step
from thplugins_dbmigration.address import Address
from thplugins_dbmigration.engines.engine import Server
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.tool import Project, Stop

from parts.alembic_project import ENV, AlembicProject
from parts.guide import Told
from parts.servers import MARIADB, SQLITE, SYSTEM, Kind, ground, open_directory

STEPS = 200
MOST_MS = 50
"""For a step: the observer, the conversation, and the counters before and after it."""
DRIVERS = {"mysql": "pymysql", "postgresql": "psycopg"}
CLI = (sys.executable, "-m", "alembic", "upgrade", "heads")


@define
class Counting(Told):
    """Reads all counters around each step, as the gate does."""

    server: Server | None = None
    address: Address | None = None

    def _read(self) -> None:
        assert self.server is not None
        assert self.address is not None
        self.server.counters(self.address)

    def before(self, step: Step) -> None:
        super().before(step)
        self._read()

    def after(self, step: Step, ok: bool) -> None:
        super().after(step, ok)
        self._read()


@pytest.mark.system
@pytest.mark.parametrize("kind", [SQLITE, MARIADB, SYSTEM], ids=str)
def test_a_step_is_watched_and_measured_in_little_time(kind: Kind) -> None:
    with open_directory() as root, ground(Path(root), kind) as made, made.server() as server:
        env = "import os\n" + ENV.replace('context.config.get_main_option("sqlalchemy.url")', 'os.environ["DATABASE"]')
        project = AlembicProject(root / "checkout", env=env)
        for number in range(STEPS):
            project.revision(f"r{number}", f"r{number - 1}" if number else None)

        def site(database: str) -> Project:
            address = server.create(database, database, "tester")
            words = Placeholders.of(address, dataset="d", checkout=project.path, workspace=root, config=root)
            variables = {"DATABASE": address.url(DRIVERS.get(address.dialect)), "PATH": os.environ["PATH"]}
            return Project(project.provision(), address, server, project.path, variables, words, "d")

        def alone(project: Project) -> None:
            command = Command(CLI, cwd=project.directory, env=project.variables)
            assert made.build.run(command).ok

        def watched(project: Project, guide: Told | None = None) -> None:
            guide = guide or Told()
            assert Alembic().walk(made.build, AlembicOptions(command=CLI), project, guide) == Stop()
            assert len(guide.told) == 2 * STEPS

        def measured(project: Project) -> None:
            watched(project, Counting(server=server, address=project.address))

        alone(site("warm"))
        seconds = {}
        for way in (alone, watched, measured):
            place = site(way.__name__)
            began = time.monotonic()
            way(place)
            seconds[way.__name__] = time.monotonic() - began
        print(f"\n{kind}: {STEPS} empty steps")
        for name, taken in seconds.items():
            more = (taken - seconds["alone"]) * 1000 / STEPS
            print(
                f"  {name:9} {taken:6.2f} s  {taken / seconds['alone']:5.2f} times  {more:6.2f} ms more for each step"
            )
        assert (seconds["measured"] - seconds["alone"]) * 1000 / STEPS < MOST_MS
