"""An operator of datasets: a configuration with a job, a project with release branches, and calls of the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from attrs import frozen

from thcore.testing.repository import Repository, files_below

from parts.alembic_project import AlembicProject
from parts.distribution import Site

PROJECT = "example/shop"
MAIN = (sys.executable, "-m", "thcore.cli.main")
CHANGE = "refs/changes/01/1/1"
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(90));
INSERT INTO item VALUES (1, 'spade'), (2, 'räke'), (3, 'räke');
"""
"""At version a; what kilo ends with, a unique index, needs the fix-up first."""
RELEASES = [
    {"name": "kilo", "tag": "kilo", "fixups": [{"at": "b", "sql": "fix.sql"}]},
    {"name": "liberty", "branch": "liberty", "until": "d"},
]
CONFIG = """
directories: {{state: {path}/state}}
jobs:
  - name: gate
    timeout: 5m
    stages: {{environment: here}}
    plugins: {{git: {{base_url: {path}/git}}, here: {{}}, dbmigration: {{datasets: {path}/datasets}}}}
"""
HERE = """
import sys
from pathlib import Path
from thcore.hooks import hookimpl
from thcore.model import Environment

class Here:
    @hookimpl
    def thcore_environment(self): return Environment(python=Path(sys.executable))

plugin = Here()
"""
"""A plugin whose environment is the interpreter of the tests, which has Alembic."""


@frozen
class Curator:
    """Calls ``thcore datasets``, or another ``group`` of thcore, with a configuration below ``path``."""

    path: Path
    group: str = "datasets"

    @classmethod
    def at(cls, path: Path) -> Curator:
        """With a configuration, and no dataset yet."""
        Site(path / "site").plugin("here", HERE)
        (path / "thcore.yaml").write_text(CONFIG.format(path=path))
        (path / "datasets").mkdir()
        return cls(path)

    @property
    def command(self) -> tuple[str, ...]:
        """What ``call`` calls."""
        return (*MAIN, self.group)

    @property
    def datasets(self) -> Path:
        return self.path / "datasets"

    def config(self, name: str) -> dict[str, Any]:
        """config.json of a dataset."""
        written: dict[str, Any] = json.loads((self.datasets / name / "config.json").read_text())
        return written

    def make_project(self) -> None:
        """Kilo ends at c, liberty at d, main at e; a change adds f."""
        files = AlembicProject(self.path / "files")
        files.revision("a", None).revision("b", "a", "alter table item add column price integer")
        files.revision("c", "b", "create unique index u on item (name)")
        repository = Repository(self.path / "git" / PROJECT, files_below(files.path))
        repository.tag("kilo")
        files.revision("d", "c", "update item set price = 1")
        repository.commit(files_below(files.path))
        repository.git("branch", "liberty")
        files.revision("e", "d", "create table other (id integer)")
        repository.commit(files_below(files.path))
        files.revision("f", "e", "alter table other add column name varchar(20)")
        repository.change(CHANGE, files_below(files.path))

    def call(
        self, *arguments: str, code: int = 0, text: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """One command, which must end with ``code``."""
        done = subprocess.run(
            [*self.command, *arguments],
            input=text,
            capture_output=True,
            text=True,
            env=self.environment(**variables),
            cwd=self.path,
            timeout=200,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "fault of thcore" not in done.stderr
        assert not [path for path in self.path.glob("state/run/*") if path.is_dir()]
        return done

    def json(self, *arguments: str, **more: Any) -> Any:
        """What a command tells programs."""
        return json.loads(self.call(*arguments, "--json", **more).stdout)

    def environment(self, **variables: str) -> dict[str, str]:
        """What commands are called with."""
        mine = {"PYTHONPATH": str(self.path / "site"), "THCORE_CONFIG": str(self.path / "thcore.yaml")}
        return {**os.environ, **mine, "COLUMNS": "100", **variables}
