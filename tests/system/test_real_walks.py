"""Real projects on their way through releases: nova with two tools, and with its data migrations between two of them;
keystone with two heads."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import evolve

from thcore.testing.gearmand import Gearmand

from parts.example import DOCS, blocks
from parts.openstack import KEYSTONE, NOVA_SYNC, NOVA_WALK
from parts.real_projects import CHANGE, PLACE, VARIABLE, RealProject, find_datasets
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(2700)]

URL = "http://logs.example.org/"
PATIENCE_S = 2600

FEWER = "DELETE FROM block_device_mapping WHERE id > 8000;\n"
"""Of the 80 000 that nova migrates in batches of 50."""
DATA_MIGRATION = re.compile(r"\| +(\w+) +\| +(\d+) +\| +(\d+) +\|")
"""What nova-manage says of one: its name, how many rows needed it, and for how many it was done."""
ROWS = """\
INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, expires_at_int)
  SELECT MD5(seq), MD5(seq % 500), MD5(seq % 300), MD5(seq % 700), 0, '2026-01-01' + INTERVAL seq MINUTE, seq
  FROM seq_1_to_20000;
INSERT INTO revocation_event (domain_id, issued_before, revoked_at)
  SELECT MD5(seq % 40), '2026-01-01' + INTERVAL seq MINUTE, '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_50000;
"""
TWICE = """\
INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_at, expires_at_int)
  SELECT CONCAT('again-', seq), 'alice', 'bob', 'shop', 0, '2026-01-01', 1000000 + seq FROM seq_1_to_2;
"""
"""Two trusts that differ in microseconds only, as the older key allowed."""

BOBCAT = evolve(
    KEYSTONE,
    name="openstack/keystone-bobcat",
    releases={"23.0.0": KEYSTONE.releases["23.0.0"]},
    trunk=KEYSTONE.releases["23.0.0"],
    change=KEYSTONE.releases["24.0.0"],
    venv={"exclude_newer": "2023-12-01"},
    dataset={**KEYSTONE.dataset, "releases": KEYSTONE.dataset["releases"][:1]},
)
"""keystone when the change was under review that makes a key of a trust unique."""


def nova_of_the_page() -> RealProject:
    """nova as the page of the walk has it: one dataset, with the fix-ups of both examples, in the order in which they
    stand there. The target branch and the change are later releases, on the Python of the tests."""
    (dataset,) = (json.loads(block) for block in blocks(DOCS / "walk.md", "json"))
    (job,) = (yaml.safe_load(block) for block in blocks(DOCS / "walk.md", "yaml"))
    (release,), (of_job,) = dataset["releases"], job["dbmigration"]["releases"]
    assert release["tag"] == of_job["tag"]
    release["fixups"] += of_job["fixups"]
    return evolve(
        NOVA_WALK,
        name=dataset["project"],
        releases={release["tag"]: NOVA_WALK.releases[release["tag"]]},
        trunk=NOVA_WALK.releases["27.5.1"],
        change={"requirements.txt": "nova==28.3.0\nsqlalchemy<2\noslo.db<14\nPyMySQL\n"},
        venv={"exclude_newer": "2024-12-01"},
        dbmigration={
            "tool": "sqlalchemy_migrate",
            "sqlalchemy_migrate": {"command": list(NOVA_SYNC)},
            "files": NOVA_WALK.dbmigration["files"],
        },
        dataset={**dataset, "overlays": ["fewer.sql"]},
    )


class Gate:
    """A worker whose jobs are real projects."""

    def __init__(self, root: Path, gearmand: Gearmand, projects: dict[str, RealProject]) -> None:
        self.root = root
        self.projects = projects
        for project in projects.values():
            project.make_repository(root / "origin")
        (root / "results").mkdir()
        jobs = [
            {
                "name": job,
                "timeout": "40m",
                "plugins": {
                    "venv": project.venv,
                    "dbmigration": {"datasets": str(root / "datasets" / job), **project.dbmigration},
                },
            }
            for job, project in projects.items()
        ]
        plugins = {
            "git": {"base_url": str(root / "origin")},
            "publish_local": {"path": str(root / "results"), "url": URL},
        }
        self.worker = Worker(root / "worker", gearmand.address, jobs, defaults={"plugins": plugins}, name="real")

    def launch(self, zuul: Zuul, job: str, number: int = 1) -> ZuulBuild:
        return zuul.launch(
            job,
            ZUUL_PROJECT=self.projects[job].name,
            ZUUL_BRANCH="main",
            ZUUL_REF=CHANGE,
            ZUUL_COMMIT=None,
            ZUUL_URL=str(self.root / "origin"),
            ZUUL_CHANGE="1",
            ZUUL_PATCHSET="1",
            LOG_PATH=f"1/{number}/{job}",
        )

    def result(self, build: ZuulBuild) -> dict[str, Any]:
        assert build.url is not None
        path = self.root / "results" / build.url.removeprefix(URL) / "result.json"
        document: dict[str, Any] = json.loads(path.read_text())
        return document


def legs(dataset: dict[str, Any]) -> dict[str, list[str]]:
    """The versions that each leg leads to."""
    found: dict[str, list[str]] = {}
    for step in dataset["steps"]:
        assert step["result"] == "ok"
        assert step["added"] is (not step["leg"])
        found.setdefault(step["leg"], []).append(step["step"]["version"])
    return found


def test_nova_climbs_from_juno_with_two_tools_and_the_next_build_starts_at_the_top(
    tmp_path_factory: pytest.TempPathFactory, gearmand: Gearmand, zuul: Zuul
) -> None:
    source = find_datasets()
    if source is None:
        pytest.skip(f"no directory {PLACE} beside the repository, and {VARIABLE} does not name one")
    root = tmp_path_factory.mktemp("nova")
    NOVA_WALK.make_dataset(source, root / "datasets" / "nova" / "nova_juno")
    gate = Gate(root, gearmand, {"nova": NOVA_WALK})
    with gate.worker:
        first = gate.launch(zuul, "nova")
        assert first.wait(PATIENCE_S) == "SUCCESS", first.data[-1]
        (dataset,) = gate.result(first)["datasets"]
        walked = legs(dataset)
        assert list(walked) == ["release victoria", "release antelope", "main", ""]
        assert walked["release victoria"] == [str(version) for version in range(255, 413)]
        legacy = [str(version) for version in range(413, 423)]
        assert walked["release antelope"] == [*legacy, "16f1fbcab42b", "ccb0fa1a2252", "960aac0e09ea"]
        assert walked["main"][-1] == "2903cd72dc14"
        assert walked[""] == ["ab450ba04102"]
        assert (dataset["start_version"], dataset["final_version"]) == (["254"], ["ab450ba04102"])

        again = gate.launch(zuul, "nova", 2)
        assert again.wait(PATIENCE_S) == "SUCCESS", again.data[-1]
    (dataset,) = gate.result(again)["datasets"]
    assert legs(dataset) == walked
    assert {step["from_snapshot"] for step in dataset["steps"] if step["leg"]} == {True}
    console = (root / "results" / "1" / "2" / "nova" / "console.log").read_text()
    assert "provisioning" not in console


def test_nova_migrates_its_data_between_two_releases_as_the_page_shows(
    tmp_path_factory: pytest.TempPathFactory, gearmand: Gearmand, zuul: Zuul
) -> None:
    source = find_datasets()
    if source is None:
        pytest.skip(f"no directory {PLACE} beside the repository, and {VARIABLE} does not name one")
    root = tmp_path_factory.mktemp("nova-data")
    project = nova_of_the_page()
    directory = root / "datasets" / "nova" / "nova_juno"
    project.make_dataset(source, directory)
    (directory / "fewer.sql").write_text(FEWER)
    gate = Gate(root, gearmand, {"nova": project})
    with gate.worker:
        build = gate.launch(zuul, "nova")
        assert build.wait(PATIENCE_S) == "SUCCESS", build.data[-1]

    walked = legs(gate.result(build)["datasets"][0])
    assert list(walked) == ["release victoria", "main", ""]
    assert (walked["release victoria"][-1], walked["main"][0]) == ("412", "413")
    assert walked[""] == ["1b91788ec3a6", "1acf2c98e646"]
    console = (root / "results" / "1" / "1" / "nova" / "console.log").read_text()
    assert "Using Python 3.9." in console, "as the release wants it"
    between = console[console.index("step 411->412 ended") : console.index("step 412->413 starts")]
    told = {name: (int(needed), int(done)) for name, needed, done in DATA_MIGRATION.findall(between)}
    assert {name: counts for name, counts in told.items() if any(counts)} == {
        "migrate_empty_ratio": (400, 400),
        "migration_migrate_to_uuid": (12_000, 12_000),
        "populate_uuids": (8000, 8000),
    }


def test_keystone_ends_at_two_heads_and_is_stopped_by_rows_that_become_equal(
    tmp_path_factory: pytest.TempPathFactory, gearmand: Gearmand, zuul: Zuul
) -> None:
    root = tmp_path_factory.mktemp("keystone")
    source = tmp_path_factory.mktemp("source")
    (source / "empty.sql").write_text("-- The first release makes the tables.\n")
    for job, name, rows in (
        ("keystone", "plain", ROWS),
        ("bobcat", "plain", ROWS),
        ("bobcat", "twice", ROWS + TWICE),
    ):
        project = {"keystone": KEYSTONE, "bobcat": BOBCAT}[job]
        (source / "rows.sql").write_text(rows)
        project.make_dataset(source, root / "datasets" / job / f"{job}_{name}")
        copy = root / "datasets" / job / f"{job}_{name}" / "rows.sql"
        copy.unlink(missing_ok=True)
        copy.write_text(rows)
    gate = Gate(root, gearmand, {"keystone": KEYSTONE, "bobcat": BOBCAT})
    with gate.worker:
        good, bad = gate.launch(zuul, "keystone"), gate.launch(zuul, "bobcat")
        assert good.wait(PATIENCE_S) == "SUCCESS", good.data[-1]
        assert bad.wait(PATIENCE_S) == "FAILURE", bad.data[-1]

    (dataset,) = gate.result(good)["datasets"]
    assert legs(dataset)[""] == ["e8725d6fa226", "742c857f1dfb"]
    assert dataset["final_version"] == ["742c857f1dfb", "c88cdce8f248"]
    document = gate.result(bad)
    (finding,) = [finding for finding in document["findings"] if finding["severity"] == "failure"]
    assert finding["location"]["dataset"] == "bobcat_twice"
    assert finding["location"]["step"] == "29e87d24a316->b4f8b3f584e0"
    assert "(1062) Duplicate entry" in "\n".join(finding["evidence"])
    final = {dataset["name"]: dataset["final_version"] for dataset in document["datasets"]}
    assert final["bobcat_plain"] == ["11c3b243b4cb", "c88cdce8f248"]
