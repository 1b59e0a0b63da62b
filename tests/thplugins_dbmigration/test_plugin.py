from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from thcore.config import convert
from thcore.errors import ConfigError, InfrastructureError
from thcore.hooks import hookimpl, option
from thcore.model import Attempt, Change, ChangeKind, Checkout, Environment, Severity, Verdict
from thcore.testing import run_job
from thplugins_dbmigration import options as options_module
from thplugins_dbmigration.engines.sockets import socket_directory
from thplugins_dbmigration.options import DbmigrationOptions, DbmigrationSettings, Judge, job_options
from thplugins_dbmigration.plugin import Dbmigration, plugin
from thplugins_dbmigration.tools import drivers
from thplugins_dbmigration.tools.alembic import Alembic

from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('a');
create table item (name varchar(20));
insert into item values ('rake'), ('rake');
"""
CHANGE = Change("example/shop", ChangeKind.CHANGE, branch="master", ref="refs/changes/1", number="1", patchset="1")


@frozen
class Tree:
    """Answers the checkout stage with trees that are there already."""

    change: AlembicProject
    trunk: AlembicProject

    @hookimpl
    def thcore_checkout(self, build: Any) -> Checkout:
        made = self.change if build.change.kind is ChangeKind.CHANGE else self.trunk
        return made.provision().checkout

    @hookimpl
    def thcore_environment(self) -> Environment:
        return self.change.provision().environment


@frozen
class Listed:
    """Options of an environment that is made as a file says."""

    path: Path = option("Which.", stands_for=lambda _build, path: path.read_text())


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    trunk = AlembicProject(tmp_path / "trunk").revision("a", None)
    return Tree(AlembicProject(tmp_path / "change").revision("a", None), trunk)


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("create index i on item (name)", Verdict.SUCCESS),
        ("create unique index i on item (name)", Verdict.FAILURE),
    ],
)
def test_a_whole_job_answers_what_the_migrations_did(
    tmp_path: Path, tree: Tree, statement: str, verdict: Verdict
) -> None:
    write_dataset(tmp_path / "datasets", "small", SEED)
    tree.change.revision("b", "a", statement)
    outcome, workspace = run_job(
        tmp_path / "job",
        {"tree": tree, "dbmigration": Dbmigration()},
        options={"dbmigration": DbmigrationOptions(datasets=tmp_path / "datasets")},
        change=CHANGE,
    )
    assert outcome.verdict is verdict, [finding.message for finding in outcome.findings]
    assert [run.name for run in outcome.datasets] == ["small"]
    assert json.loads((workspace.artifacts / "datasets" / "small" / "steps.json").read_text())["name"] == "small"
    assert "step a->b starts" in workspace.log.read_text()


def test_the_state_of_the_target_branch_is_made_again_when_a_file_that_an_option_names_has_changed(
    tmp_path: Path, tree: Tree
) -> None:
    write_dataset(tmp_path / "datasets", "small", SEED)
    tree.trunk.revision("b", "a", "alter table item add column b integer")
    tree.change.revision("b", "a", "alter table item add column b integer").revision("c", "b", "select 1")
    constraints = tmp_path / "constraints.txt"
    options = {"dbmigration": DbmigrationOptions(datasets=tmp_path / "datasets"), "tree": Listed(constraints)}
    made = []
    for text in ("tool<2", "tool<3"):
        constraints.write_text(text)
        plugins = {"tree": tree, "dbmigration": Dbmigration()}
        outcome, workspace = run_job(tmp_path / "job", plugins, options=options, change=CHANGE)
        shutil.rmtree(workspace.root)
        assert outcome.verdict is Verdict.SUCCESS, outcome.summary
        (run,) = outcome.datasets
        made.append([result.step.version for result in run.steps if not result.from_snapshot])
    assert made == [["b", "c"], ["b", "c"]]


def test_a_job_without_a_dataset_is_unverified(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "datasets").mkdir()
    outcome, _ = run_job(
        tmp_path / "job",
        {"tree": tree, "dbmigration": Dbmigration()},
        options={"dbmigration": DbmigrationOptions(datasets=tmp_path / "datasets")},
        change=CHANGE,
    )
    assert outcome.verdict is Verdict.UNVERIFIED
    assert "seed-not-found" in {finding.code for finding in outcome.findings}


def test_commands_come_without_the_clients_and_preloading_imports_them_and_the_tools_and_starts_nothing() -> None:
    code = """
import sys, threading
from thplugins_dbmigration.plugin import plugin
plugin.thcore_commands()
assert not {"sqlalchemy", "psycopg", "pymysql"} & set(sys.modules)
plugin.thcore_preload()
assert {"psycopg", "pymysql", "sqlite3", "thplugins_dbmigration.tools.alembic"} <= set(sys.modules)
known = set(sys.modules)
import thplugins_dbmigration.gate, thplugins_dbmigration.judge
assert known == set(sys.modules)
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_cleanup_removes_the_sockets_of_an_attempt_and_may_come_twice(tmp_path: Path) -> None:
    attempt = Attempt("b1", "job", 1, tmp_path / "workspace", tmp_path / "state")
    directory = socket_directory("b1", 1)
    directory.mkdir()
    (directory / "left").touch()
    plugin.thcore_cleanup(attempt)
    assert not directory.exists()
    plugin.thcore_cleanup(attempt)


def test_health_names_the_engines_and_what_to_do_about_a_missing_one(tmp_path: Path) -> None:
    settings = DbmigrationSettings(mysql_programs=tmp_path, account="nobody-has-this-name")
    checks = list(plugin.thcore_health(settings, tmp_path / "state", tmp_path / "work"))
    found = {finding.message.split(":")[0]: finding for finding in checks}
    assert found["Engine sqlite"].severity is Severity.INFO
    assert found["Engine mysql"].severity is Severity.WARNING
    assert "mysql_programs" in (found["Engine mysql"].hint or "")
    assert sum(finding.code == "snapshots-cloned-by" for finding in checks) == 1
    assert not list(tmp_path.iterdir())


def test_options_are_read_from_a_configuration_and_wrong_ones_are_named(tmp_path: Path) -> None:
    written = {
        "datasets": str(tmp_path),
        "judge": "all",
        "alembic": {"drivers": {"postgresql": "asyncpg"}, "x_arguments": ["a=b"]},
        "command": {"go": ["manage", "{step}"], "current": ["manage", "version"]},
        "variables": {"X": "{url}"},
    }
    read = convert.structure(written, job_options(), "config.yaml")
    assert isinstance(read, DbmigrationOptions)
    assert read.judge is Judge.ALL
    assert read.alembic.x_arguments == ("a=b",)
    assert read.command.current == ("manage", "version")
    with pytest.raises(ConfigError, match="judge"):
        convert.structure({**written, "judge": "some"}, job_options(), "config.yaml")
    settings = convert.structure({"postgresql": "embedded"}, DbmigrationSettings, "config.yaml")
    assert settings.postgresql == "embedded"


@frozen
class LiquidOptions:
    changelog: str = option("Where it is.", default="changes.xml")


class Liquid(Alembic):
    name = "liquid"

    def options(self) -> type[Any]:
        return LiquidOptions


def test_a_tool_of_another_distribution_has_its_options_in_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options_module.drivers, "loadable", lambda: (Alembic(), Liquid()))
    read: Any = convert.structure({"datasets": str(tmp_path), "liquid": {"changelog": "x"}}, job_options(), "c.yaml")
    assert read.liquid == LiquidOptions("x")
    assert read.alembic.config == "alembic.ini"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution with two tools: one ends the program when imported, one clashes with alembic."""
    (tmp_path / "th_broken.py").write_text("raise SystemExit('goodbye')\n")
    info = tmp_path / "th_broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: th-broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{drivers.GROUP}]\nbroken = th_broken:Tool\nalembic = th_broken:Tool\n")
    monkeypatch.syspath_prepend(tmp_path)
    cache = drivers.ExtensionManager.ENTRY_POINT_CACHE
    monkeypatch.setattr(drivers.ExtensionManager, "ENTRY_POINT_CACHE", {})
    yield
    monkeypatch.setattr(drivers.ExtensionManager, "ENTRY_POINT_CACHE", cache)


@pytest.mark.usefixtures("broken")
def test_a_tool_that_does_not_load_harms_no_other() -> None:
    with pytest.raises(InfrastructureError, match="goodbye") as caught:
        drivers.find("broken")
    assert caught.value.code == "tool-missing"
    with pytest.raises(InfrastructureError, match="2 installed distributions have a migration tool called 'alembic'"):
        drivers.find("alembic")
    assert drivers.find("command").name == "command"
    assert {"command", "broken", "alembic"} & {tool.name for tool in drivers.loadable()} == {"command"}


def test_a_tool_that_nobody_has_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InfrastructureError, match=r"called 'flyway'; installed are: alembic, command"):
        drivers.find("flyway")
