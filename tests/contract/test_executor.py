from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.builtin import shell
from thcore.model import Change, ChangeKind, Environment, Provision, Revision
from thcore.testing.contract import ExecutorContract, Work
from thplugins_dbmigration.plugin import Dbmigration

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.shop import contents


class TestShell(ExecutorContract):
    plugin = shell.plugin
    options = {"script": ["true"]}  # noqa: RUF012 - read only
    endless = Work({"script": ["./endless.sh"]}, {"endless.sh": "#!/bin/sh\nsleep 600 &\necho it is running\nwait\n"})
    failing = Work({"script": ["false"]})


class TestShellWithAProgramThatDoesNotListen(TestShell):
    endless = Work(
        {"script": ["./endless.sh"]},
        {"endless.sh": "#!/bin/sh\ntrap '' TERM\nsetsid sleep 600 &\necho it is running\nwhile :; do sleep 1; done\n"},
    )


SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (name varchar(20));
insert into item values ('rake'), ('rake');
"""


class TestDbmigration(ExecutorContract):
    plugin = Dbmigration()
    kills = 2
    change = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")
    environment = Environment(python=Path(sys.executable))

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        write_dataset(tmp_path / "datasets", "small", SEED)
        return {"datasets": str(tmp_path / "datasets")}

    @pytest.fixture
    def provide(self, tmp_path: Path) -> Callable[[Revision], Provision]:
        trunk = AlembicProject(tmp_path / "trunk").revision("a", None)
        return lambda _revision: trunk.provision()

    @pytest.fixture
    def files(self, tmp_path: Path) -> Mapping[str, str]:
        return migration(tmp_path / "good", "create index i on item (name)")

    @pytest.fixture
    def failing(self, tmp_path: Path, options: Mapping[str, Any]) -> Work:
        return Work(options, migration(tmp_path / "failing", "create unique index i on item (name)"))

    @pytest.fixture
    def endless(self, tmp_path: Path, options: Mapping[str, Any]) -> Work:
        body = "import time\nprint('it is running', flush=True)\ntime.sleep(600)"
        return Work(options, migration(tmp_path / "endless", body=body))


def migration(directory: Path, *statements: str, body: str = "") -> Mapping[str, str]:
    """A project whose change adds one step."""
    return contents(AlembicProject(directory).revision("a", None).revision("b", "a", *statements, body=body).path)
