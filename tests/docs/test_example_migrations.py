"""The examples of sqlalchemy_migrate and yoyo, run as their pages say."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from parts.repository import Repository, files_below

DOCS = Path(__file__).parents[2] / "docs"
GOOD, BAD = "refs/changes/01/1/1", "refs/changes/02/2/1"
VERSIONS = "inventory/migrate_repo/versions"

pytestmark = pytest.mark.system


def made(tmp_path: Path, tool: str, project: str, changes: dict[str, tuple[str, str]]) -> Path:
    """An example, put where its configuration says, with changes of one file each."""
    example = DOCS / "examples" / tool
    repository = Repository(tmp_path / "git" / "example" / project, files_below(example / "project"))
    for ref, (name, source) in changes.items():
        repository.change(ref, {name: (example / source).read_text("utf-8")})
    shutil.copytree(example / "dataset", tmp_path / "datasets" / project)
    text = (example / "thcore.yaml").read_text("utf-8").replace("/srv", str(tmp_path))
    (tmp_path / "thcore.yaml").write_text(text, "utf-8")
    return tmp_path


@pytest.fixture
def guestbook(tmp_path: Path) -> Path:
    changes = {
        GOOD: ("migrations/0003-entries-of-guest.sql", "good_change.sql"),
        BAD: ("migrations/0003-guest-names.sql", "bad_change.sql"),
    }
    return made(tmp_path, "yoyo", "guestbook", changes)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    changes = {
        GOOD: (f"{VERSIONS}/003_unknown_shelf.py", "good_change.py"),
        BAD: (f"{VERSIONS}/003_shelf_needed.py", "bad_change.py"),
    }
    return made(tmp_path, "sqlalchemy_migrate", "inventory", changes)


def run(place: Path, tool: str, ref: str) -> tuple[int, dict[str, Any]]:
    """Run what the page says, on a change; exit status and result."""
    page = (DOCS / "tools" / f"{tool}.md").read_text("utf-8")
    (call,) = [line[2:] for line in page.splitlines() if line.startswith("$ thcore run")]
    words = [ref if word.startswith("refs/") else word for word in shlex.split(call)[1:]]
    ended = subprocess.run(
        [sys.executable, "-m", "thcore.cli.main", *words, "--json"],
        cwd=place,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


def shown(tool: str) -> list[str]:
    """The lines of evidence that the page shows."""
    page = (DOCS / "tools" / f"{tool}.md").read_text("utf-8")
    (block,) = [block for block in page.split("```") if block.startswith("text\n")]
    return block.splitlines()[1:]


def steps_of(result: dict[str, Any]) -> list[tuple[str, bool, str]]:
    (dataset,) = result["datasets"]
    return [(step["step"]["version"], step["added"], step["result"]) for step in dataset["steps"]]


def test_a_change_of_the_guestbook_is_judged(guestbook: Path) -> None:
    code, result = run(guestbook, "yoyo", GOOD)

    assert code == 0, result["findings"]
    assert steps_of(result) == [("0002-entry-dates", False, "ok"), ("0003-entries-of-guest", True, "ok")]
    (dataset,) = result["datasets"]
    assert dataset["final_version"] == dataset["expected_version"] == ["0003-entries-of-guest"]


def test_a_change_of_the_guestbook_that_data_does_not_fit_is_refused_as_the_page_shows(guestbook: Path) -> None:
    code, result = run(guestbook, "yoyo", BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["location"] == {
        "path": "migrations/0003-guest-names.sql",
        "line": 6,
        "dataset": "guestbook",
        "step": "0002-entry-dates->0003-guest-names",
    }
    assert finding["evidence"][: len(shown("yoyo"))] == shown("yoyo")


@pytest.mark.slow
def test_a_change_of_the_inventory_is_judged(inventory: Path) -> None:
    code, result = run(inventory, "sqlalchemy_migrate", GOOD)

    assert code == 0, result["findings"]
    assert steps_of(result) == [("2", False, "ok"), ("3", True, "ok")]
    (dataset,) = result["datasets"]
    assert dataset["final_version"] == dataset["expected_version"] == ["3"]


@pytest.mark.slow
def test_a_change_of_the_inventory_that_refuses_is_told_as_the_page_shows(inventory: Path) -> None:
    code, result = run(inventory, "sqlalchemy_migrate", BAD)

    assert code == 1
    (finding,) = result["findings"]
    assert finding["location"] == {
        "path": f"{VERSIONS}/003_shelf_needed.py",
        "line": 10,
        "dataset": "inventory",
        "step": "2->3",
    }
    assert finding["evidence"][: len(shown("sqlalchemy_migrate"))] == shown("sqlalchemy_migrate")
