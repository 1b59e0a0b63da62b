"""A walk through releases each of which runs on another Python only, as real projects' old releases do."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.testing.repository import files_below

from parts.alembic_project import ENV, AlembicProject
from parts.dataset import write_dataset
from parts.real_projects import RealProject

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(600)]

OLD, OLDER = "3.10", "3.9"
"""Of the releases liberty and kilo. The target branch and the change run on the Python of the tests."""
NEW = ".".join(platform.python_version_tuple()[:2])
ONLY = {
    OLDER: "from collections import Mapping\n",  # gone since 3.10
    OLD: "import distutils, types\n\ntypes.EllipsisType\n",  # since 3.10, gone since 3.12
    NEW: "import tomllib\n",  # since 3.11
}
"""What env.py begins with, so that it runs on this Python and on none of the others."""
SEED = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE TABLE ran (step VARCHAR(8), python VARCHAR(8));
"""
NOTES = """\
import sys

op.execute("INSERT INTO ran VALUES ('{step}', '%d.%d')" % sys.version_info[:2])
"""
TELLS = """
import os

with open(os.environ["TOLD"], "w") as told:
    told.writelines("%s %s\\n" % tuple(row) for row in op.get_bind().exec_driver_sql("SELECT step, python FROM ran"))
"""
"""The change's migration says what all legs have written before it."""


def project(root: Path, *, kilo: Mapping[str, Any]) -> RealProject:
    """Kilo ends at b, liberty at c, the target branch at d; the change adds e. ``kilo`` is how the environment of that
    release is made."""
    files = AlembicProject(root / "files")
    files.revision("a", None)
    states: list[Mapping[str, str]] = []
    for python, parent, step in ((OLDER, "a", "b"), (OLD, "b", "c"), (NEW, "c", "d"), (NEW, "d", "e")):
        files.env(ONLY[python] + ENV)
        files.revision(step, parent, body=NOTES.format(step=step) + (TELLS if step == "e" else ""))
        states.append({**files_below(files.path), "requirements.txt": "alembic\n"})
    return RealProject(
        name="example/shop",
        releases={"kilo": states[0], "liberty": states[1]},
        trunk=states[2],
        change=states[3],
        venv={"exclude_newer": "2025-06-01"},
        dbmigration={"variables": {"TOLD": str(root / "told")}},
        source="",
        seed="seed.sql",
        dataset={
            "releases": [
                {"name": "kilo", "tag": "kilo", "options": {"venv": kilo}},
                {"name": "liberty", "tag": "liberty", "options": {"venv": {"python": OLD}}},
            ]
        },
    )


def prepared(tmp_path: Path, **kilo: Any) -> RealProject:
    made = project(tmp_path, kilo=kilo)
    made.make_repository(tmp_path / "origin")
    write_dataset(tmp_path / "datasets", "small", SEED, start=["a"], **made.dataset)
    return made


def test_each_leg_of_a_walk_runs_on_the_python_of_its_release(tmp_path: Path) -> None:
    made = prepared(tmp_path, python=OLDER)
    for from_snapshot in (False, True):
        result = made.judged(tmp_path, "gate")
        assert result["verdict"] == "SUCCESS", result["findings"]
        (dataset,) = result["datasets"]
        assert [(step["leg"], step["step"]["version"], step["from_snapshot"]) for step in dataset["steps"]] == [
            ("release kilo", "b", from_snapshot),
            ("release liberty", "c", from_snapshot),
            ("main", "d", from_snapshot),
            ("", "e", False),
        ]
        assert (tmp_path / "told").read_text().splitlines() == [f"b {OLDER}", f"c {OLD}", f"d {NEW}", f"e {NEW}"]
        (tmp_path / "told").unlink()


def test_a_release_on_a_python_that_it_does_not_run_on_is_told_as_the_operators_to_mend(tmp_path: Path) -> None:
    result = prepared(tmp_path).judged(tmp_path, "gate")

    assert result["verdict"] == "UNVERIFIED"
    finding = result["findings"][0]
    assert (finding["code"], finding["severity"]) == ("import-failed", "unverified")
    assert finding["hint"] == "It is the release kilo that does not import; the change is not at fault."
    assert "cannot import name 'Mapping' from 'collections'" in "\n".join(finding["evidence"])
    assert not (tmp_path / "told").exists()
