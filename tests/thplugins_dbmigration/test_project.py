"""How the gate finds out what a project migrates with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from thcore.errors import InfrastructureError
from thcore.hooks import Build
from thcore.model import Checkout, Environment, Provision, Secret
from thcore.testing import make_build
from thplugins_dbmigration import project
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.tools.alembic import Alembic, AlembicOptions
from thplugins_dbmigration.tools.command import CommandOptions
from thplugins_dbmigration.walk.manner import Manner

OPTIONS = DbmigrationOptions(datasets=Path("datasets"))


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    with make_build(tmp_path) as made:
        yield made


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout").mkdir()
    return tmp_path / "checkout"


def choose(build: Build, checkout: Path, options: DbmigrationOptions = OPTIONS, **keys: Any) -> str:
    dataset = Dataset("small", checkout, "p", "sqlite", "db", "user", Secret("pw"), checkout / "seed", {}, **keys)
    provision = Provision(Checkout(checkout, "0" * 40), Environment())
    return project.choose_tool(build, Manner.at(options, dataset), provision).tool.name


def log(build: Build) -> str:
    return build.workspace.log.read_text("utf-8")


def test_the_jobs_word_counts_before_the_datasets_and_the_datasets_before_the_checkout(
    build: Build, checkout: Path
) -> None:
    (checkout / "alembic.ini").touch()
    assert choose(build, checkout) == "alembic"
    assert "the project migrates with alembic: the checkout has alembic.ini" in log(build)
    assert choose(build, checkout, tool="command") == "command"
    assert "the project migrates with command: the dataset says so" in log(build)
    options = DbmigrationOptions(datasets=Path("datasets"), tool="alembic")
    assert choose(build, checkout, options, tool="command") == "alembic"
    assert "the project migrates with alembic: the job says so" in log(build)


def test_alembic_is_seen_in_pyproject_toml(build: Build, checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text('[tool.alembic]\nscript_location = "migrations"\n')
    assert choose(build, checkout) == "alembic"
    assert "the checkout has [tool.alembic] in pyproject.toml" in log(build)


def test_a_checkout_that_shows_nothing_migrates_with_the_tool_that_the_job_has_options_for(
    build: Build, checkout: Path
) -> None:
    options = DbmigrationOptions(datasets=Path("datasets"), command=CommandOptions(go=("go", "{step}")))
    assert choose(build, checkout, options) == "command"
    assert "the project migrates with command: the job has options for it" in log(build)


def test_a_checkout_that_shows_nothing_at_all_is_told_what_to_write(build: Build, checkout: Path) -> None:
    with pytest.raises(InfrastructureError, match=r"Nothing in \. of the checkout tells.*tool: ….*alembic, command"):
        choose(build, checkout)


def test_a_checkout_that_fits_several_tools_is_not_guessed_at(
    build: Build, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: Any = SimpleNamespace(name="flyway", options=lambda: AlembicOptions, detect=lambda _place: "flyway.conf")
    monkeypatch.setattr(project.drivers, "loadable", lambda: (Alembic(), other))
    (checkout / "alembic.ini").touch()
    with pytest.raises(
        InfrastructureError,
        match=r"alembic \(the checkout has alembic\.ini\), or with flyway \(the checkout has flyway\.conf\)\. Write",
    ) as caught:
        choose(build, checkout)
    assert caught.value.code == "tool-missing"
    options = DbmigrationOptions(datasets=Path("datasets"), alembic=AlembicOptions(target="head"))
    assert choose(build, checkout, options) == "alembic", "the job has options for one of them"
