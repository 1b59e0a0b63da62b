from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import msgspec.json
import pytest

from thcore.model import Outcome
from thcore.testing.repository import Repository

from parts.stranger import ROOT, Stranger

EXAMPLE = ROOT / "docs" / "examples" / "thplugins_example_pauses"

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Somebody who has installed the example beside thcore."""
    made = Stranger.with_the_workspace(tmp_path_factory.mktemp("stranger") / "venv")
    made.install("--no-deps", EXAMPLE)
    return made


def thcore(stranger: Stranger, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return stranger.run("-m", "thcore.cli.main", *arguments, cwd=cwd)


def configure(directory: Path, pauses: str) -> Path:
    """A job of git, shell, exit_status and the example, in a directory with a repository."""
    Repository(
        directory / "repositories" / "example" / "suite",
        {"suite.sh": "#!/bin/sh\necho before\nsleep 0.6\necho after\n"},
    )
    (directory / "repositories" / "example" / "suite" / "suite.sh").chmod(0o755)
    path = directory / "thcore.yaml"
    path.write_text(
        f"""
directories: {{state: {directory}/state}}
jobs:
  - name: suite
    plugins:
      git: {{base_url: {directory}/repositories}}
      shell: {{script: [sh, ./suite.sh]}}
      exit_status: {{}}
      pauses: {pauses}
"""
    )
    return path


def test_an_installed_plugin_is_listed_with_its_distribution_and_version(stranger: Stranger, tmp_path: Path) -> None:
    listed = thcore(stranger, "plugins", "--json", cwd=tmp_path)

    (entry,) = [entry for entry in json.loads(listed.stdout) if entry["name"] == "pauses"]
    assert (entry["distribution"], entry["version"]) == ("thplugins-example-pauses", "1.0")
    assert entry["stages"] == ["analyse", "publish"]
    assert [option["name"] for option in entry["options"]] == ["directory", "longest"]
    assert not entry["problems"]


def test_an_installed_plugin_analyses_and_publishes_a_build(stranger: Stranger, tmp_path: Path) -> None:
    configure(tmp_path, f"{{directory: {tmp_path}/summaries, longest: 500ms}}")

    ended = thcore(stranger, "run", "suite", "--project", "example/suite", "--branch", "main", "--json", cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    result = json.loads(ended.stdout)
    jsonschema.validate(result, msgspec.json.schema(Outcome))
    assert result["verdict"] == "SUCCESS"
    (pause,) = [found for found in result["findings"] if found["evidence"][0].endswith("| after")]
    assert (pause["code"], pause["severity"], pause["plugin"]) == ("pause", "warning", "pauses")
    assert {"name": "pauses", "distribution": "thplugins-example-pauses", "version": "1.0"} in result["plugins"]
    summary = tmp_path / "summaries" / f"{result['build']}-1.txt"
    assert result["publications"] == [{"url": summary.as_uri(), "plugin": "pauses"}]
    assert summary.read_text().splitlines()[0].startswith("SUCCESS: All checks passed")
    assert pause["message"] in summary.read_text()


def test_the_options_of_an_installed_plugin_are_checked_with_the_rest(stranger: Stranger, tmp_path: Path) -> None:
    path = configure(tmp_path, "{longest: soon}")

    checked = thcore(stranger, "config", "check", "-c", str(path), "--json", cwd=tmp_path)

    problems = json.loads(checked.stdout)["problems"]
    assert checked.returncode == 78
    assert [problem.split("pauses.")[1].split(":")[0] for problem in problems] == ["directory", "longest"]


def test_the_test_that_the_documentation_shows_passes(stranger: Stranger, tmp_path: Path) -> None:
    test = EXAMPLE.parent / "test_pauses.py"
    stranger.module("pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, test, cwd=tmp_path)
