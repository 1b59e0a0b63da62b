from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from thcore.cli.main import cli
from thcore.errors import ExitCode, RefusedError
from thcore.model import StageName
from thcore.starter import distribution

from parts.stranger import Stranger

STAGES = [
    pytest.param(stage, marks=[] if stage is StageName.ANALYSE else pytest.mark.slow, id=stage.value)
    for stage in StageName
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    return Stranger.with_the_workspace(tmp_path_factory.mktemp("stranger") / "venv")


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of thcore."""
    return tmp_path_factory.mktemp("mypy")


def test_a_new_plugin_is_written_and_what_to_do_with_it_is_told(place: Path) -> None:
    ended = CliRunner().invoke(cli, ["plugin", "new", "slow-tests"])

    assert ended.exit_code == ExitCode.SUCCESS
    made = place / "thplugins-slow-tests"
    files = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
    assert files == sorted(distribution.contents(distribution.named("slow_tests"), StageName.ANALYSE))
    assert ended.output.splitlines()[-2:] == [
        "  pip install -e './thplugins-slow-tests[test]'",
        "  pytest thplugins-slow-tests",
    ]


@pytest.mark.parametrize("call", [["plugins", "new", "mine"], ["plugin", "show", "git"], ["plugin", "check", "git"]])
def test_what_is_said_to_the_other_of_the_two_groups_is_understood(call: list[str], place: Path) -> None:
    ended = CliRunner().invoke(cli, call)

    assert ended.exit_code == ExitCode.SUCCESS, ended.output


@pytest.mark.parametrize(("group", "commands"), [("plugin", ["new"]), ("plugins", ["check", "show"])])
def test_each_of_the_two_groups_lists_its_own_commands(group: str, commands: list[str]) -> None:
    told = CliRunner().invoke(cli, [group, "--help"]).output

    assert [line.split()[0] for line in told.partition("Commands:")[2].splitlines() if line] == commands


def test_a_name_that_is_taken_is_refused(place: Path) -> None:
    ended = CliRunner().invoke(cli, ["plugin", "new", "git"])

    assert isinstance(ended.exception, RefusedError)
    assert str(ended.exception) == "thcore installs a plugin git; choose another name"
    assert not list(place.iterdir())


@pytest.mark.system
@pytest.mark.parametrize("stage", STAGES)
def test_a_new_plugin_passes_its_tests_ruff_and_mypy_as_it_is(
    stage: StageName, tmp_path: Path, stranger: Stranger, remembered: Path
) -> None:
    distribution.write(tmp_path / "new", distribution.contents(distribution.named("my_own"), stage))

    stranger.module("ruff", "format", "--check", "--no-cache", ".", cwd=tmp_path / "new")
    stranger.module("ruff", "check", "--no-cache", ".", cwd=tmp_path / "new")
    stranger.module("mypy", "--cache-dir", remembered, cwd=tmp_path / "new")
    told = stranger.module("pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=src", cwd=tmp_path / "new")
    assert " passed" in told


@pytest.mark.parametrize("name", ["x", "a_name_of_exactly_30_letter_ok"])
@pytest.mark.parametrize("stage", list(StageName))
def test_a_new_plugin_is_formatted_however_long_its_name_is(
    stage: StageName, name: str, tmp_path: Path, stranger: Stranger
) -> None:
    distribution.write(tmp_path, distribution.contents(distribution.named(name), stage))

    stranger.module("ruff", "format", "--check", "--no-cache", ".", cwd=tmp_path)
    stranger.module("ruff", "check", "--no-cache", ".", cwd=tmp_path)


@pytest.mark.system
def test_a_new_plugin_is_installed_and_listed(place: Path, stranger: Stranger) -> None:
    CliRunner().invoke(cli, ["plugin", "new", "slow_tests"])

    stranger.install("--no-deps", place / "thplugins-slow-tests")

    assert "ok" in stranger.module("thcore.cli.main", "plugins", "check", "slow_tests", cwd=place)
    listed = json.loads(stranger.module("thcore.cli.main", "plugins", "--json", cwd=place))
    (entry,) = [entry for entry in listed if entry["name"] == "slow_tests"]
    assert (entry["distribution"], entry["version"]) == ("thplugins-slow-tests", "0.1.0")
    assert (entry["stages"], entry["problems"]) == (["analyse"], [])
