"""The page's example of a project with two databases: nova's main and its API database, judged in one build."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from thplugins_dbmigration.curation.dump import dump
from thplugins_dbmigration.curation.source import Source
from thplugins_dbmigration.template import Placeholders

from parts.example import DOCS, blocks, steps_of
from parts.interpreters import interpreter
from parts.real_projects import RealProject
from parts.servers import MARIADB, ground

PAGE = DOCS / "bring-your-project.md"
BRANCH, LATER = "nova==27.5.1", "nova==28.3.0"
"""What the target branch deploys, and what the change does."""
LEGACY = """\
CREATE TABLE migrate_version (repository_id VARCHAR(250) PRIMARY KEY, repository_path TEXT, version INTEGER);
INSERT INTO migrate_version VALUES ('nova', '/usr/lib/nova', 422);
"""
"""What databases have that are older than nova's use of Alembic."""
ROWS = {
    "nova": """\
INSERT INTO instances (uuid, project_id, host, node, display_name, deleted, created_at)
  SELECT UUID(), MD5(seq % 200), CONCAT('host-', seq % 90), CONCAT('host-', seq % 90), CONCAT('vm ', seq), 0, NOW()
  FROM seq_1_to_5000;
""",
    "nova_api": """\
INSERT INTO cell_mappings (uuid, name, transport_url, database_connection, disabled)
  VALUES (UUID(), 'cell1', 'rabbit://', 'mysql://', 0);
INSERT INTO instance_mappings (instance_uuid, cell_id, project_id, queued_for_delete)
  SELECT UUID(), (SELECT MAX(id) FROM cell_mappings), MD5(seq % 200), 0 FROM seq_1_to_5000;
""",
}

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1200)]


def shown() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The datasets of the example, and the job's plugins."""
    (job,) = [yaml.safe_load(block) for block in blocks(PAGE, "yaml") if "nova.conf: |" in block]
    return [json.loads(block) for block in blocks(PAGE, "json")], job


def make_seed(config: dict[str, Any], job: dict[str, Any], programs: Path, directory: Path) -> None:
    """Have the target branch's nova make the tables of a dataset, and dump them with rows into ``directory``."""
    name = config["database"]
    place = directory.parents[1] / f"made-{name}"
    place.mkdir()
    with ground(place, MARIADB) as made, made.server() as server:
        address = server.create(name, config["db_user"], config["db_pass"], character_set=config["character_set"])
        words = Placeholders.of(address, dataset=name, checkout=place, workspace=place, config=place)
        (place / "nova.conf").write_text(words.fill(job["dbmigration"]["files"]["nova.conf"], "files"))
        program, *rest = words.fill_all(config["tool_options"]["command"], "command")
        subprocess.run([programs / program, *rest], check=True, timeout=300, env={**os.environ, "HOME": str(place)})
        server.load(made.build, address, made.seed(LEGACY + ROWS[name]))
        written = dump(made.build, Source.of(address), directory / name, name, made.installation)
    assert written.path == directory / config["seed_data"]


@pytest.fixture
def result(tmp_path: Path) -> dict[str, Any]:
    """What a build says of a change to the next release, with everything else as the page has it."""
    datasets, job = shown()
    venv, dbmigration = job["venv"], {key: value for key, value in job["dbmigration"].items() if key != "datasets"}
    environment = interpreter(tmp_path / "venv", BRANCH, *venv["packages"], until=venv["exclude_newer"])
    for config in datasets:
        directory = tmp_path / "datasets" / config["database"]
        directory.mkdir(parents=True)
        make_seed(config, job, environment.path[0], directory)
        (directory / "config.json").write_text(json.dumps(config))
    project = RealProject(
        name=datasets[0]["project"],
        trunk={"requirements.txt": f"{BRANCH}\n"},
        change={"requirements.txt": f"{LATER}\n"},
        venv=venv,
        dbmigration=dbmigration,
        source="",
        seed="",
        dataset={},
    )
    project.make_repository(tmp_path / "origin")
    return project.judged(tmp_path, "gate-nova")


def test_both_databases_of_nova_are_judged_in_one_build_as_the_page_shows(result: dict[str, Any]) -> None:
    assert result["verdict"] == "SUCCESS", result["findings"]
    steps = {dataset["name"]: steps_of(dataset) for dataset in result["datasets"]}
    assert steps == {
        "nova": [("1b91788ec3a6", True, "ok"), ("1acf2c98e646", True, "ok")],
        "nova_api": [("cdeec0c85668", True, "ok")],
    }
    for dataset in result["datasets"]:
        assert dataset["final_version"] == dataset["expected_version"] == [steps[dataset["name"]][-1][0]]
        assert all(step["measurement"]["wall_s"] > 0 for step in dataset["steps"])
