"""The plugins of the documentation, one for each stage, each as somebody else's package."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from uv import find_uv_bin

from thcore.model import StageName

from parts.stranger import ROOT, Stranger

EXAMPLES = ROOT / "docs" / "examples" / "plugins"
STAGES = {
    "tarball": StageName.CHECKOUT,
    "toolchain": StageName.ENVIRONMENT,
    "container": StageName.ENVIRONMENT,
    "tap": StageName.EXECUTE,
    "slow_queries": StageName.ANALYSE,
    "s3": StageName.PUBLISH,
}

pytestmark = pytest.mark.system


def copied(name: str, place: Path) -> Path:
    """An example where nothing of this repository is around it; and never one that was built before."""
    leave = shutil.ignore_patterns("__pycache__", ".*_cache", "*.egg-info", "dist")
    return shutil.copytree(EXAMPLES / name, place / name, ignore=leave)


@pytest.fixture(scope="module")
def thcore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of thcore as it is here."""
    place = tmp_path_factory.mktemp("wheels")
    build = [find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", str(place), str(ROOT / "thcore")]
    subprocess.run(build, check=True)
    (wheel,) = place.glob("thcore-*.whl")
    return wheel


def test_there_is_an_example_for_every_stage() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == set(STAGES)
    assert set(STAGES.values()) == set(StageName)


@pytest.mark.parametrize("name", STAGES)
def test_an_example_asks_for_this_thcore_and_tells_what_it_is(name: str) -> None:
    project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text("utf-8"))["project"]

    assert "thcore>=0.1,<1" in project["dependencies"]
    assert f"# {project['name']}\n" in (EXAMPLES / name / "README.md").read_text("utf-8")
    assert list(project["entry-points"]["thcore.plugins"]) == [name]


def test_examples_are_installed_beside_thcore_and_pass_their_own_tests(tmp_path: Path) -> None:
    """All that need nothing but thcore, in one environment and one run, which is quick."""
    stranger, names = Stranger.with_the_workspace(tmp_path / "venv"), [name for name in STAGES if name != "s3"]
    examples = [copied(name, tmp_path) for name in names]
    asked = ("-p", "no:cacheprovider", "--import-mode", "importlib", "-W", "error", "--timeout", "120")

    stranger.install("--no-deps", *examples)

    told = stranger.module("pytest", "-q", *asked, *examples, cwd=tmp_path)
    assert " passed" in told
    assert "failed" not in told
    entries = json.loads(stranger.module("thcore.cli.main", "plugins", "--json", cwd=tmp_path))
    found = {entry["name"]: entry for entry in entries}
    for name in names:
        distribution = f"thplugins-example-{name.replace('_', '-')}"
        assert found[name]["distribution"] == distribution
        assert (found[name]["stages"], found[name]["problems"]) == ([STAGES[name].value], [])


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_an_example_passes_its_tests_ruff_and_mypy_with_nothing_but_what_it_asks_for(
    name: str, thcore: Path, tmp_path: Path
) -> None:
    stranger, example = Stranger.with_nothing(tmp_path / "venv"), copied(name, tmp_path)

    stranger.install(thcore, f"{example}[test,lint]")

    told = stranger.module("pytest", "-q", "-p", "no:cacheprovider", cwd=example)
    assert " passed" in told
    assert "failed" not in told
    stranger.module("ruff", "format", "--check", "--no-cache", ".", cwd=example)
    stranger.module("ruff", "check", "--no-cache", ".", cwd=example)
    stranger.module("mypy", "--cache-dir", tmp_path / "mypy", cwd=example)
    stranger.module("thcore.cli.main", "plugins", "check", name, cwd=tmp_path)
