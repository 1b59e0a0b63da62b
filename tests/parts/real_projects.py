"""Real projects with real data, and how a job is configured for them: Airflow on PostgreSQL, a site made with Wagtail,
and a payment service on SQLite. Those of OpenStack have a module of their own.

The datasets are directories with a dump and some overlays, SQL that puts bad rows into the data. Those of nova and
Airflow are too large for the repository: THCORE_TEST_DATASETS says where they are. ``newsroom_seed`` makes the site's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from attrs import field, frozen

from thcore.testing.repository import Repository, files_below

VARIABLE = "THCORE_TEST_DATASETS"
PLACE = "datasets/open"
"""Where the datasets are looked for in the repository and in the directories beside it."""
CHANGE = "refs/changes/01/1/1"
"""What every repository made here has under review."""


def find_datasets() -> Path | None:
    """The directory that VARIABLE names, else one called PLACE beside the repository; None when there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    repository = Path(__file__).resolve().parents[2]
    return next(iter(sorted(repository.parent.glob(f"*/{PLACE}"))), None)


@frozen
class RealProject:
    """A project, and a change that moves it to a later schema.

    ``trunk``, ``change`` and ``releases``, by tag, are files of the repository, ``venv`` and ``dbmigration`` options of
    a job, ``source`` is the directory of its datasets with the dump ``seed`` and the files ``fixups``, ``dataset`` what
    else a config.json says.
    """

    name: str
    trunk: Mapping[str, str]
    change: Mapping[str, str]
    venv: Mapping[str, Any]
    dbmigration: Mapping[str, Any]
    source: str
    seed: str
    dataset: Mapping[str, Any]
    releases: Mapping[str, Mapping[str, str]] = field(factory=dict)
    fixups: Sequence[str] = ()

    def make_repository(self, origin: Path) -> None:
        """Make the repository below ``origin``, with the change under review as CHANGE."""
        repository = Repository(origin / self.name)
        for tag, files in self.releases.items():
            repository.commit(files, tag)
            repository.tag(tag)
        repository.commit(self.trunk, "trunk")
        repository.change(CHANGE, self.change)

    def judged(self, root: Path, job: str) -> dict[str, Any]:
        """What ``thcore run`` says of the change under review, as JSON: with the repository in ``origin``, the datasets
        in ``datasets`` and the state in ``state`` below ``root``."""
        plugins = {
            "git": {"base_url": str(root / "origin")},
            "venv": self.venv,
            "dbmigration": {"datasets": str(root / "datasets"), **self.dbmigration},
        }
        configuration = {
            "directories": {"state": str(root / "state")},
            "jobs": [{"name": job, "timeout": "15m", "plugins": plugins}],
        }
        (root / "thcore.yaml").write_text(yaml.safe_dump(configuration))
        words = ["run", job, "--project", self.name, "--branch", "main", "--ref", CHANGE, "--json"]
        ended = subprocess.run(
            [sys.executable, "-m", "thcore.cli.main", *words],
            cwd=root,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=1000,
        )
        assert ended.stdout, ended.stderr
        document: dict[str, Any] = json.loads(ended.stdout)
        return document

    def make_dataset(self, source: Path, directory: Path, overlays: Sequence[str] = ()) -> None:
        """Make a dataset of what find_datasets found."""
        directory.mkdir(parents=True)
        for name in (self.seed, *overlays, *self.fixups):
            original = source / self.source / name
            try:
                (directory / name).hardlink_to(original)
            except OSError:  # another file system, or somebody else's file
                shutil.copyfile(original, directory / name)
        config = {
            "project": self.name,
            "database": directory.name,
            "db_user": "project",
            "db_pass": "pass-for-tests",
            "seed_data": self.seed,
            "overlays": list(overlays),
            **self.dataset,
        }
        (directory / "config.json").write_text(json.dumps(config, indent=2))


AIRFLOW = RealProject(
    name="example/airflow",
    trunk={"requirements.txt": "apache-airflow==2.10.5\npsycopg2-binary\n"},
    change={
        "requirements.txt": "apache-airflow==3.3.2\napache-airflow-providers-fab\npsycopg2-binary\nasyncpg\n",
    },
    venv={"exclude_newer": "2026-11-20"},
    dbmigration={
        "tool": "alembic",
        "alembic": {"command": ["airflow", "db", "migrate"]},
        "variables": {"AIRFLOW_HOME": "{config}", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "{url:psycopg2}"},
    },
    source="airflow-postgresql",
    seed="airflow_2.10.5.sql.zst",
    dataset={
        "type": "postgresql",
        "start": "5f2621c13b39",
        "maximum_migration_times": {"default": 120, "05234396c6fc->d59cbbef95eb": 900},
        "XInnodb_rows_changed": {"default": 100_000, "d59cbbef95eb": 200_000},
    },
)
"""A deployment of Airflow: one command for two chains, its own and that of its user management."""

NEWSROOM = Path(__file__).with_name("newsroom")
_DRIVERS = "dj-database-url\npsycopg2-binary\n"

WAGTAIL = RealProject(
    name="example/newsroom",
    trunk={**files_below(NEWSROOM), "requirements.txt": f"wagtail==5.2.8\ndjango<5\n{_DRIVERS}"},
    change={"requirements.txt": f"wagtail==8.0.1\ndjango<6\n{_DRIVERS}"},
    venv={"exclude_newer": "2026-11-20"},
    dbmigration={},
    source="newsroom",
    seed="",
    dataset={"maximum_migration_times": {"default": 120}},
)
"""A site of Wagtail, whose change takes it over three major releases. Nothing needs to be said of how it migrates."""

_MIGRATE = """\
import sys

from cypherpunkpay.db.sqlite_db import SqliteDB

SqliteDB(sys.argv[1]).migrate()
"""

CYPHERPUNKPAY = RealProject(
    name="example/cypherpunkpay",
    trunk={"requirements.txt": "cypherpunkpay==1.0.0\nsafe-pysha3\n", "migrate.py": _MIGRATE},
    change={"requirements.txt": "cypherpunkpay==1.0.11\nsafe-pysha3\n"},
    venv={"exclude_newer": "2023-06-01", "python": "3.9"},
    dbmigration={"tool": "yoyo", "yoyo": {"command": ["python", "migrate.py", "{database}"]}},
    source="",
    seed="empty.sql",
    dataset={
        "type": "sqlite",
        "maximum_migration_times": {"default": 60},
        "fixups": [{"at": "20210614_05_x4EMp-create-coins", "sql": "rows.sql"}],
    },
)
"""A payment service that applies its yoyo migrations itself, to its SQLite file. The target branch makes the tables,
and a fix-up their rows."""
