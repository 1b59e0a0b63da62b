"""Limits that a worker learns from the builds that it has done: gearmand, ``thcore serve``, git, Alembic, SQLite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thcore.testing.gearmand import Gearmand
from thcore.testing.repository import Repository
from thplugins_dbmigration.limits.learned import MINIMUM

from parts import shop
from parts.alembic_project import AlembicProject
from parts.dataset import write_dataset
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

ROWS = 5_000
SEED = f"""\
CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT);
WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {ROWS})
INSERT INTO pets SELECT id, '' FROM n;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
"""
LITTLE = "UPDATE pets SET name = 'cat' WHERE id <= 10"
MUCH = "UPDATE pets SET name = 'cat'"


def make_repository(path: Path) -> Repository:
    """A project whose second step changes ten rows."""
    repository = Repository(path, {"requirements.txt": shop.REQUIREMENTS})
    AlembicProject(path).revision("0001", None).revision("0002", "0001", LITTLE)
    repository.commit({}, "migrations")
    return repository


def much_work(place: Path) -> str:
    """The second step as it changes all rows."""
    return AlembicProject(place).revision("0002", "0001", MUCH).file("0002").read_text()


def launch(zuul: Zuul, root: Path, ref: str) -> ZuulBuild:
    _, _, _, number, patchset = ref.split("/")
    return zuul.launch(
        "gate",
        ZUUL_PROJECT="example/shop",
        ZUUL_BRANCH="main",
        ZUUL_REF=ref,
        ZUUL_COMMIT=None,
        ZUUL_URL=str(root / "origin"),
        ZUUL_CHANGE=number,
        ZUUL_PATCHSET=patchset,
    )


def result_of(root: Path, build: ZuulBuild) -> dict[str, Any]:
    (found,) = (path for path in (root / "results").rglob("result.json") if build.unique[:7] in str(path))
    document: dict[str, Any] = json.loads(found.read_text())
    return document


def test_a_change_that_makes_a_step_work_much_more_is_failed_by_what_builds_before_it_have_taught(
    tmp_path: Path, gearmand: Gearmand, zuul: Zuul
) -> None:
    repository = make_repository(tmp_path / "origin" / "example" / "shop")
    write_dataset(tmp_path / "datasets", "pets", SEED)
    plugins = {"git": {"base_url": str(tmp_path / "origin")}, "venv": {}}
    plugins["publish_local"] = {"path": str(tmp_path / "results"), "url": "http://127.0.0.1/"}
    gate = {"datasets": str(tmp_path / "datasets"), "judge": "all", "learned_limits": "failure"}
    jobs = [{"name": "gate", "plugins": {"dbmigration": gate}}]
    (tmp_path / "results").mkdir()
    with Worker(tmp_path / "worker", gearmand.address, jobs, defaults={"plugins": plugins}):
        refs = [f"refs/changes/{number % 100:02}/{number}/1" for number in range(1001, 1001 + MINIMUM)]
        for ref in refs:
            repository.change(ref, {"change": ref})
        builds = [launch(zuul, tmp_path, ref) for ref in refs]
        assert [build.wait(600) for build in builds] == ["SUCCESS"] * MINIMUM
        like_them, heavy = "refs/changes/01/2001/1", "refs/changes/02/2002/1"
        repository.change(like_them, {"change": like_them})
        repository.change(heavy, {"migrations/versions/0002.py": much_work(tmp_path / "much")})
        assert launch(zuul, tmp_path, like_them).wait(120) == "SUCCESS"
        failed = launch(zuul, tmp_path, heavy)
        assert failed.wait(120) == "FAILURE"
    (finding,) = (each for each in result_of(tmp_path, failed)["findings"] if each["severity"] == "failure")
    runs = MINIMUM + 1
    assert (finding["code"], finding["location"]["dataset"]) == ("rows-changed-exceeded", "pets")
    assert f"learned from {runs} runs" in finding["message"]
    assert f"a false alarm in 1 of {runs + 1} runs at most" in finding["message"]
    (step,) = result_of(tmp_path, failed)["datasets"][0]["steps"]
    (limit,) = (each for each in step["limits"] if each["counter"] == "XInnodb_rows_changed")
    assert limit["value"] > ROWS > limit["maximum"]
    assert limit["false_alarms"] == 1 / (runs + 1)
