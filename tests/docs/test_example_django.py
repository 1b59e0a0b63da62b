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
EXAMPLE = DOCS / "examples" / "django"
PAGE = (DOCS / "tools" / "django.md").read_text("utf-8")


@pytest.fixture
def bookshop(tmp_path: Path) -> Path:
    """The example, put where its configuration says, with a change that is good and one that is not."""
    repository = Repository(tmp_path / "git" / "example" / "bookshop", files_below(EXAMPLE / "project"))
    for number, name, change in (("01/1/1", "0003_author", "good_change"), ("02/2/1", "0003_isbn", "bad_change")):
        text = (EXAMPLE / f"{change}.py").read_text("utf-8")
        repository.change(f"refs/changes/{number}", {f"books/migrations/{name}.py": text})
    shutil.copytree(EXAMPLE / "datasets", tmp_path / "datasets")
    text = (EXAMPLE / "thcore.yaml").read_text("utf-8").replace("/srv", str(tmp_path))
    (tmp_path / "thcore.yaml").write_text(text, "utf-8")
    return tmp_path


def run(bookshop: Path, ref: str) -> tuple[int, dict[str, Any]]:
    """Run what the page says, on a change; exit status and result."""
    (call,) = [line[2:] for line in PAGE.splitlines() if line.startswith("$ thcore run")]
    words = [ref if word.startswith("refs/") else word for word in shlex.split(call)[1:]]
    ended = subprocess.run(
        [sys.executable, "-m", "thcore.cli.main", *words, "--json"],
        cwd=bookshop,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.system
@pytest.mark.slow
def test_a_change_that_moves_data_is_judged_on_both_datasets(bookshop: Path) -> None:
    code, result = run(bookshop, "refs/changes/01/1/1")

    assert code == 0, result["findings"]
    for dataset in result["datasets"]:
        steps = [(step["step"]["version"], step["added"], step["result"]) for step in dataset["steps"]]
        assert steps == [("books.0002_book_author_index", False, "ok"), ("books.0003_author", True, "ok")]
        assert dataset["final_version"] == dataset["expected_version"] == ["books.0003_author"]
    rows = {
        dataset["name"]: dataset["steps"][1]["measurement"]["counters"].get("XInnodb_rows_changed")
        for dataset in result["datasets"]
    }
    assert rows["large"] >= 50, "an author of each name"


@pytest.mark.system
def test_a_change_that_data_does_not_fit_is_refused_as_the_page_shows(bookshop: Path) -> None:
    code, result = run(bookshop, "refs/changes/02/2/1")

    assert code == 1
    (finding,) = result["findings"]
    assert finding["code"] == "migration-not-ended"
    assert finding["location"]["dataset"] == "large"
    assert finding["location"]["path"] == "books/migrations/0003_isbn.py"
    assert finding["location"]["step"] == "books.0002_book_author_index->books.0003_isbn"
    (shown,) = [block for block in PAGE.split("```") if block.startswith("text\nUniqueViolation")]
    evidence = "\n".join(finding["evidence"])
    for line in shown.splitlines()[1:]:
        assert line in evidence
