"""``thcore snapshots warm`` on a project with releases: what builds begin at is there before them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.errors import ExitCode

from parts.curator import CHANGE, PROJECT, RELEASES, SEED, Curator
from parts.dataset import write_dataset

pytestmark = pytest.mark.timeout(300)
DURATION = re.compile(r" in [0-9].*\)| \([0-9a-f]{12}\)")

FIXUPS = [{"at": "b", "sql": "fix.sql"}]


@pytest.fixture
def curator(tmp_path: Path) -> Curator:
    made = Curator.at(tmp_path)
    made.make_project()
    dataset(made, "shop")
    return evolve(made, group="snapshots")


def dataset(curator: Curator, name: str, fix: str = "delete from item where id = 3;\n", **keys: Any) -> None:
    directory = write_dataset(curator.datasets, name, SEED, **{"start": ["a"], "releases": RELEASES, **keys})
    (directory / "fix.sql").write_text(fix)


def lines(told: str) -> list[str]:
    """Without what differs from run to run."""
    return [DURATION.sub("", line) for line in told.splitlines()]


def test_the_state_after_a_branch_is_made_once(curator: Curator) -> None:
    dataset(curator, "direct", releases=[], fixups=FIXUPS)
    first = curator.call("warm", "--dataset", "direct", "--branch", "main").stdout
    assert lines(first) == ["direct: restored", "direct, main: reached"]
    again = curator.json("warm", "gate", "--dataset", "direct", "--branch", "main", "--project", PROJECT)
    assert [(entry["state"], entry["made"]) for entry in again] == [("", False), ("main", False)]
    assert all(entry["snapshot"][:12] in first for entry in again)


@pytest.mark.slow
def test_a_change_begins_at_the_states_that_were_warmed_for_its_branch(curator: Curator) -> None:
    assert lines(curator.call("warm", "--branch", "main").stdout) == [
        "shop: restored",
        "shop, release kilo: reached",
        "shop, release liberty: reached",
        "shop, main: reached",
    ]
    run = evolve(curator, group="run")
    (found,) = run.json("gate", "--project", PROJECT, "--branch", "main", "--ref", CHANGE)["datasets"]
    steps = {step["step"]["version"]: (step["leg"], step["from_snapshot"]) for step in found["steps"]}
    assert steps == {
        "b": ("release kilo", True),
        "c": ("release kilo", True),
        "d": ("release liberty", True),
        "e": ("main", True),
        "f": ("", False),
    }


@pytest.mark.slow
def test_releases_are_warmed_as_far_as_each_dataset_gets(curator: Curator) -> None:
    dataset(curator, "rough", fix="select 1;\n")
    done = curator.call("warm", "--releases", code=ExitCode.UNVERIFIED)
    told = lines(done.stdout)
    assert told[0] == "rough: restored"
    assert told[1].startswith("rough (job gate): The release kilo does not get through on this dataset")
    assert any("UNIQUE constraint failed: item.name" in line for line in told)
    assert told[-3:] == ["shop: restored", "shop, release kilo: reached", "shop, release liberty: reached"]


@pytest.mark.slow
def test_a_project_is_warmed_by_the_name_that_zuul_has_for_it(curator: Curator) -> None:
    dataset(curator, "short", project="shop", releases=[], fixups=FIXUPS)
    dataset(curator, "other", project="example/desk")
    told = lines(curator.call("warm", "--branch", "main", "--project", PROJECT).stdout)
    assert told[-2:] == ["short: restored", "short, main: reached"]
    assert not any("other" in line for line in told)
    done = curator.call("warm", "--dataset", "other", "--project", PROJECT, code=ExitCode.USAGE)
    assert "there is no dataset 'other'; there is shop, short" in done.stderr
    done = curator.call("warm", "--project", "example/none", code=ExitCode.USAGE)
    assert "no job has a dataset for the project example/none" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_a_branch_that_there_is_not_leaves_the_dataset_restored(curator: Curator) -> None:
    restored, failed = curator.json("warm", "--branch", "mian", code=ExitCode.UNVERIFIED)
    assert (restored["state"], restored["made"], restored["problem"]) == ("", True, "")
    said, reason = failed["problem"].splitlines()
    assert said == "The target branch mian does not get through on this dataset by itself: it cannot be prepared"
    assert "couldn't find remote ref refs/heads/mian" in reason


@pytest.mark.slow
def test_each_job_has_states_of_its_own_and_shares_those_that_are_the_same(curator: Curator) -> None:
    text = (curator.path / "thcore.yaml").read_text()
    (gate,) = re.findall(r"  - name: gate\n(?:    .*\n)+", text)
    more = gate.replace("gate", "check") + gate.replace("gate", "other").replace(
        "/datasets}", "/datasets, variables: {A: b}}"
    )
    (curator.path / "thcore.yaml").write_text(text + more)
    told = curator.json("warm", "--releases")
    assert [(entry["job"], entry["state"]) for entry in told] == [
        ("gate", ""),
        ("gate", "release kilo"),
        ("gate", "release liberty"),
        ("other", "release kilo"),
        ("other", "release liberty"),
    ]
