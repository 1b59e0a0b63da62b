"""The states that a dataset climbs through, and what their keys depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.model import Revision
from thplugins_dbmigration.datasets import Dataset, read
from thplugins_dbmigration.options import DbmigrationOptions
from thplugins_dbmigration.snapshots import Key
from thplugins_dbmigration.tools.alembic import AlembicOptions
from thplugins_dbmigration.walk.release import Fixup, Release
from thplugins_dbmigration.walk.route import Waypoint, keys, route

from parts.dataset import write_dataset

START = Key("dataset", "small", {"fingerprint": "f", "engine": "sqlite", "engine_version": "3"})
VICTORIA = Release("victoria", tag="22.4.0", until="412", options={"venv": {"python": "3.9"}})
WALLABY = Release("wallaby", branch="stable/wallaby")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    directory = write_dataset(tmp_path, "small", "select 1;")
    (directory / "fix.sql").write_text("select 2;")
    found, problems = read(directory)
    assert problems == ()
    assert found is not None
    return found


def options(*releases: Release, **keys: Any) -> DbmigrationOptions:
    return DbmigrationOptions(Path("/datasets"), releases=releases, **keys)


def made(
    waypoints: tuple[Waypoint, ...], *, start: Key = START, commit: str = "c", environment: str = "e"
) -> tuple[Key, ...]:
    return keys(start, waypoints, lambda waypoint: (f"{commit} of {waypoint.name}", environment))


def test_a_dataset_climbs_through_its_releases_and_then_to_the_target_branch(dataset: Dataset) -> None:
    waypoints = route(options(VICTORIA, WALLABY), dataset, "main")
    assert [(waypoint.label, waypoint.revision) for waypoint in waypoints] == [
        ("release victoria", Revision(tag="22.4.0")),
        ("release wallaby", Revision(branch="stable/wallaby")),
        ("main", Revision(branch="main")),
    ]
    assert waypoints[0].targets == ("412",)
    assert waypoints[0].provisioning == {"venv": {"python": "3.9"}}


def test_without_a_target_branch_the_last_release_is_the_end(dataset: Dataset) -> None:
    assert [waypoint.name for waypoint in route(options(VICTORIA), dataset, None)] == ["victoria"]
    assert route(options(), dataset, None) == ()


def test_a_datasets_own_releases_and_fixups_take_the_place_of_the_jobs(dataset: Dataset) -> None:
    fixup = Fixup("7", sql="fix.sql")
    own = evolve(dataset, releases=(WALLABY,), fixups=(fixup,))
    waypoints = route(options(VICTORIA, fixups=(Fixup("9", sql="x.sql"),)), own, "main")
    assert [waypoint.name for waypoint in waypoints] == ["wallaby", "main"]
    assert waypoints[-1].fixups == (fixup,)
    assert [waypoint.name for waypoint in route(options(VICTORIA), evolve(own, releases=()), "main")] == ["main"]


def test_a_releases_tool_variables_and_files_are_laid_over_the_jobs(dataset: Dataset) -> None:
    release = evolve(VICTORIA, tool="command", variables={"B": "release"}, files={"f": "release"})
    job = options(release, tool="alembic", variables={"A": "job", "B": "job"}, files={"f": "job"})
    first, last = (waypoint.manner.options for waypoint in route(job, dataset, "main"))
    assert (first.tool, first.variables, first.files) == ("command", {"A": "job", "B": "release"}, {"f": "release"})
    assert (last.tool, last.variables, last.files) == ("alembic", {"A": "job", "B": "job"}, {"f": "job"})


def test_every_key_depends_on_the_one_before(dataset: Dataset) -> None:
    waypoints = route(options(VICTORIA, WALLABY), dataset, "main")
    before, after = made(waypoints), made(waypoints, start=evolve(START, parts={"fingerprint": "other"}))
    assert [key.kind for key in before] == ["release", "release", "trunk"]
    assert not {key.digest for key in before} & {key.digest for key in after}
    assert before[1].parts["after"] == before[0].digest
    assert before[0].parts["engine_version"] == "3"


Change = Callable[[DbmigrationOptions, Dataset], tuple[DbmigrationOptions, Dataset]]


def job(**keys: Any) -> Change:
    return lambda options, dataset: (evolve(options, **keys), dataset)


def release(**keys: Any) -> Change:
    return lambda options, dataset: (evolve(options, releases=(evolve(options.releases[0], **keys),)), dataset)


def other_bytes(options: DbmigrationOptions, dataset: Dataset) -> tuple[DbmigrationOptions, Dataset]:
    (dataset.directory / "fix.sql").write_text("select 3;")
    return options, dataset


@pytest.mark.parametrize(
    "change",
    [
        job(variables={"A": "b"}),
        job(files={"f": "text"}),
        job(working_directory="backend"),
        job(alembic=AlembicOptions(config="other.ini")),
        release(until="400"),
        release(tool="command"),
        release(tool_options={"config": "x.ini"}),
        release(variables={"A": "b"}),
        release(files={"f": "text"}),
        release(fixups=(Fixup("344", sql="fix.sql"),)),
        release(fixups=(Fixup("329", command=("true",)),)),
        other_bytes,
    ],
)
def test_a_key_changes_with_all_that_the_state_depends_on(dataset: Dataset, change: Change) -> None:
    base = options(evolve(VICTORIA, fixups=(Fixup("329", sql="fix.sql"),)), tool="alembic")
    before = made(route(base, dataset, None))
    assert made(route(base, dataset, None)) == before
    changed = made(route(*change(base, dataset), None))
    assert changed[0].digest != before[0].digest


def test_a_key_changes_with_commit_and_preparation(dataset: Dataset) -> None:
    waypoints = route(options(VICTORIA), dataset, None)
    variants = (made(waypoints), made(waypoints, commit="d"), made(waypoints, environment="f"))
    assert len({key.digest for (key,) in variants}) == 3


def test_a_key_does_not_change_with_what_the_state_does_not_depend_on(dataset: Dataset) -> None:
    base = options(VICTORIA, tool="command")
    before = made(route(base, dataset, "main"))
    other_limits = evolve(dataset, limits={"wall_s": {"default": 1}})
    other_tool = evolve(base, alembic=AlembicOptions(config="other.ini"), datasets=Path("/elsewhere"))
    assert made(route(other_tool, other_limits, "main")) == before
