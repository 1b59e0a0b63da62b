from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from thcore.errors import InfrastructureError, RefusedError
from thcore.model import StageName
from thcore.starter import distribution
from thcore.starter.distribution import Names


@pytest.mark.parametrize("text", ["slow_tests", "slow-tests", "thplugins-slow-tests", "thplugins_slow_tests"])
def test_a_plugin_is_named_by_its_name_or_by_its_distribution(text: str) -> None:
    names = distribution.named(text)

    assert (names.plugin, names.distribution) == ("slow_tests", "thplugins-slow-tests")
    assert (names.package, names.cls) == ("thplugins_slow_tests", "SlowTests")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Slow",
        "2slow",
        "_slow",
        "slow_",
        "slow__tests",
        "slow tests",
        "../slow",
        "a/b",
        "class",
        "slöw",
        "a\n",
        "a.b",
    ],
)
def test_what_is_no_name_is_refused_with_one_that_is(text: str) -> None:
    with pytest.raises(RefusedError, match="slow_tests"):
        distribution.named(text)


def test_a_name_has_its_bounds() -> None:
    assert distribution.named("a" * 30)
    with pytest.raises(RefusedError, match="at most 30"):
        distribution.named("a" * 31)


@pytest.mark.parametrize("stage", list(StageName))
def test_every_stage_has_a_whole_distribution(stage: StageName) -> None:
    files = distribution.contents(Names("slow_tests"), stage)

    metadata = tomllib.loads(files["pyproject.toml"])
    assert metadata["project"]["entry-points"]["thcore.plugins"] == {"slow_tests": "thplugins_slow_tests.plugin:plugin"}
    assert f"thcore_{stage.value}" in files["src/thplugins_slow_tests/plugin.py"]
    for name, text in files.items():
        assert "{{" not in text, name
        assert "{%" not in text, name
        if name.endswith(".py"):
            compile(text, name, "exec")


def test_only_thcores_of_the_same_major_version_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "__version__", "3.7.2.dev1")

    metadata = tomllib.loads(distribution.contents(Names("x"), StageName.ANALYSE)["pyproject.toml"])

    assert "thcore>=3.7,<4" in metadata["project"]["dependencies"]


def test_what_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()

    with pytest.raises(RefusedError, match="--directory"):
        distribution.write(tmp_path, {"pyproject.toml": "new"})

    assert list(tmp_path.iterdir()) == [tmp_path / "mine.txt"]


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InfrastructureError, match=r"cannot write .*file/plugin: Not a directory"):
        distribution.write(tmp_path / "file" / "plugin", {"pyproject.toml": "new"})
