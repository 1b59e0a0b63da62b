"""Real projects by their own commands: several heads in one chain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from uv import find_uv_bin

from thcore.model import Checkout, Environment, Provision
from thplugins_dbmigration.template import Placeholders
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.tool import Project, Stop

from parts.guide import Told
from parts.servers import MARIADB, SYSTEM, Kind, ground, open_directory

pytestmark = [pytest.mark.system, pytest.mark.slow]
KEYSTONE = ("keystone==30.0.0", "PyMySQL", "psycopg2-binary")
EXCLUDE_NEWER = "2026-11-20"
DRIVERS = {"mysql": "pymysql", "postgresql": "psycopg2"}
EXPANDED, CONTRACTED = "742c857f1dfb", "c88cdce8f248"
HEADS = frozenset({EXPANDED, CONTRACTED})


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    venv = tmp_path_factory.mktemp("keystone") / "venv"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, venv], check=True)
    install = [uv, "pip", "install", "-q", "--exclude-newer", EXCLUDE_NEWER, "--python", venv / "bin/python", *KEYSTONE]
    subprocess.run(install, check=True)
    return Environment(python=venv / "bin/python", path=(venv / "bin",), variables={"PATH": os.defpath})


@pytest.fixture
def root() -> Iterator[Path]:
    with open_directory() as path:
        yield path


@pytest.mark.parametrize("kind", [MARIADB, SYSTEM], ids=str)
def test_the_two_branches_of_keystone_are_walked_by_its_own_command(
    keystone: Environment, root: Path, kind: Kind
) -> None:
    with ground(root, kind) as made, made.server() as server:
        address = server.create("keystone", "keystone", "tester")
        (root / "keystone.conf").write_text(
            f"[database]\nconnection = {address.url(DRIVERS[address.dialect]).replace('%', '%%')}\n"
        )
        words = Placeholders.of(address, dataset="keystone", checkout=root, workspace=root, config=root)
        project = Project(Provision(Checkout(root, "0" * 40), keystone), address, server, root, {}, words, "keystone")
        command = ("keystone-manage", "--config-file", "{config}/keystone.conf", "db_sync")
        tool, guide, options = Alembic(), Told(), AlembicOptions(command=(*command, "--expand"))
        assert tool.walk(made.build, options, project, guide) == Stop()
        assert guide.plans[0].head == {EXPANDED}
        guide, options = Told(), AlembicOptions(command=command)
        assert tool.walk(made.build, options, project, guide) == Stop()
        (plan,) = guide.plans
        assert (plan.current, plan.head) == ({EXPANDED}, HEADS)
        assert len(guide.told) == 2 * len(plan.steps) == 6
        assert plan.reached(tool.versions(made.build, options, project))
