"""The page about the testing kit: its example is run, and it names what there is."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from thcore.testing import contract, plugin
from thcore.testing.finished import run_build

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "testing-kit.md"


@pytest.mark.system
def test_the_tests_that_the_page_shows_pass_as_those_of_a_stranger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    options = ("-o", "filterwarnings=error", "-o", "thcore_require=git", f"--rootdir={tmp_path}")

    ended = subprocess.run(
        [*command, *options, str(DOCS / "examples" / "testing")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout
    assert "skipped" not in ended.stdout


def test_every_fixture_and_every_argument_of_a_build_is_described() -> None:
    page = PAGE.read_text("utf-8")
    fixtures = [name for name in vars(plugin) if name.startswith("thcore_")]

    assert len(fixtures) >= 8
    assert [name for name in fixtures if f"`{name}`" not in page] == []
    arguments = set(inspect.signature(run_build).parameters) - {"directory"}
    assert [name for name in arguments if f"``{name}``" not in (inspect.getdoc(run_build) or "")] == []


@pytest.mark.parametrize("suite", [name for name in contract.__all__ if name not in {"PluginContract", "Work"}])
def test_every_suite_checks_what_the_page_promises(suite: str) -> None:
    checks = [name for name in dir(getattr(contract, suite)) if name.startswith("test_")]

    for words in (("twice",), ("cancel",), ("deadline", "time_is_over"), ("hostile",), ("kill",), ("public",)):
        assert [check for check in checks if any(word in check for word in words)], (suite, words)
