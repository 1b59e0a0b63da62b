"""The example of Alembic on the example's dataset of each engine, run as the page of Alembic says."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from parts.example import BAD, DOCS, EXAMPLES, GOOD, laid_out, run, shown, steps_of

PAGE = DOCS / "bring-your-project.md"
ALEMBIC = DOCS / "tools" / "alembic.md"
ADDED = "migrations/versions/0003_closed.py"
ENGINES = ("mysql", "postgresql", "sqlite")
LIMITED = {
    "mysql": ["XInnodb_rows_changed", "Innodb_os_log_written"],
    "postgresql": ["XInnodb_rows_changed", "wal_bytes"],
    "sqlite": ["database_bytes"],
}

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both changes are judged here, so that the datasets are restored once."""
    changes = {
        GOOD: (ADDED, "good_change.py"),
        BAD: ("migrations/versions/0003_once.py", "bad_change.py"),
    }
    datasets = {engine: EXAMPLES / "engines" / engine for engine in ENGINES}
    return laid_out(tmp_path_factory.mktemp("helpdesk"), "alembic", "helpdesk", changes, datasets)


def test_the_way_to_bring_a_project_can_be_gone_command_by_command(tmp_path: Path) -> None:
    datasets = {"helpdesk": EXAMPLES / "engines" / "postgresql"}
    laid_out(tmp_path, "alembic", "helpdesk", {"refs/heads/my-branch": (ADDED, "good_change.py")}, datasets)
    calls = [line.strip()[2:] for line in PAGE.read_text("utf-8").splitlines() if line.strip().startswith("$ thcore")]

    assert len(calls) == 5
    for call in calls:
        ended = subprocess.run(
            [sys.executable, "-m", "thcore.cli.main", *shlex.split(call)[1:]],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=270,
            check=False,
        )
        assert ended.returncode == 0, (call, ended.stdout, ended.stderr)


def test_a_change_of_the_helpdesk_is_judged_on_every_engine_with_its_own_counters(helpdesk: Path) -> None:
    code, result = run(helpdesk, ALEMBIC, GOOD)

    assert code == 0, result["findings"]
    assert [dataset["name"] for dataset in result["datasets"]] == list(ENGINES)
    for dataset in result["datasets"]:
        assert dataset["tool"] == "alembic"
        assert steps_of(dataset) == [("0002", False, "ok"), ("0003", True, "ok")]
        assert dataset["final_version"] == dataset["expected_version"] == ["0003"]
        counters = dataset["steps"][1]["measurement"]["counters"]
        assert all(counters[name] > 0 for name in LIMITED[dataset["engine"]])
        limits = [limit for limit in dataset["steps"][1]["limits"] if not limit["origin"].startswith("thcore's own")]
        assert [limit["counter"] for limit in limits] == ["wall_s", *LIMITED[dataset["engine"]]]
        if dataset["engine"] != "sqlite":
            assert 300 <= counters["XInnodb_rows_changed"] <= 302, "the closed tickets, and the version"


@pytest.mark.slow
def test_a_change_of_the_helpdesk_that_data_does_not_fit_is_refused_in_the_words_of_each_engine(
    helpdesk: Path,
) -> None:
    code, result = run(helpdesk, ALEMBIC, BAD)

    assert code == 1
    assert [finding["location"]["dataset"] for finding in result["findings"]] == list(ENGINES)
    for finding in result["findings"]:
        assert finding["code"] == "migration-not-ended"
        assert finding["location"]["path"] == "migrations/versions/0003_once.py"
        assert finding["location"]["line"] == 10
        words = shown(DOCS / "engines" / f"{finding['location']['dataset']}.md")
        assert finding["evidence"][: len(words)] == words
    (of_postgresql,) = [each for each in result["findings"] if each["location"]["dataset"] == "postgresql"]
    assert of_postgresql["evidence"][: len(shown(ALEMBIC))] == shown(ALEMBIC)
