"""Reading datasets: turbo-hipster's format, our keys, and everything that can be wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from thcore.model import Limit, Step
from thplugins_dbmigration.datasets import Dataset, discover, fingerprint, read

TURBO_HIPSTER = {
    "project": "openstack/nova",
    "type": "mysql",
    "database": "nova",
    "db_user": "nova",
    "db_pass": "secret word",
    "seed_data": "nova.sql",
    "logging_conf": "logging.conf",
    "maximum_migration_times": {"default": 60, "151->152": 300, "215": 180},
    "Innodb_rows_read": {"default": 1000},
    "XInnodb_rows_changed": {"default": 500, "151->152": 9000},
}


def dataset_in(directory: Path, config: Any = None, **keys: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "nova.sql").write_text("SELECT 1;\n")
    (directory / "logging.conf").touch()
    (directory / "config.json").write_text(json.dumps({**TURBO_HIPSTER, **keys} if config is None else config))
    return directory


def good(directory: Path, **keys: Any) -> Dataset:
    dataset, problems = read(dataset_in(directory, **keys))
    assert problems == ()
    assert dataset is not None
    return dataset


def problems_of(directory: Path, config: Any = None, **keys: Any) -> list[str]:
    dataset, problems = read(dataset_in(directory, config, **keys))
    assert dataset is None
    prefix = f"{directory / 'config.json'}: "
    assert all(problem.startswith(prefix) for problem in problems)
    return [problem.removeprefix(prefix) for problem in problems]


def test_a_config_json_of_turbo_hipster_is_read_as_it_is(tmp_path: Path) -> None:
    dataset = good(tmp_path / "user_001")
    assert (dataset.name, dataset.project, dataset.type) == ("user_001", "openstack/nova", "mysql")
    assert (dataset.database, dataset.user, dataset.password.reveal()) == ("nova", "nova", "secret word")
    assert dataset.seed == tmp_path / "user_001" / "nova.sql"
    assert dataset.logging_conf == tmp_path / "user_001" / "logging.conf"
    assert "secret word" not in repr(dataset)


def test_our_keys_are_read(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "more.sql").touch()
    dataset = good(
        tmp_path / "one",
        overlays=["more.sql"],
        version="2024-05",
        start="151",
        character_set="utf8mb3",
        tool="command",
        tool_options={"argv": ["nova-manage"]},
        limits={"wal_bytes": {"default": 5}},
    )
    assert dataset.overlays == (tmp_path / "one" / "more.sql",)
    assert (dataset.version, dataset.start) == ("2024-05", ("151",))
    assert (dataset.tool, dataset.tool_options) == ("command", {"argv": ["nova-manage"]})
    assert dataset.limits["wal_bytes"] == {"default": 5}


def test_the_closest_key_gives_a_step_s_limit_and_says_where_it_stands(tmp_path: Path) -> None:
    dataset = good(tmp_path / "one", limits={"wal_bytes": {"7->8": 4}})
    assert dataset.limits_for(Step("152", ("151",))) == (
        Limit("wall_s", 300, "one/config.json: maximum_migration_times.151->152"),
        Limit("Innodb_rows_read", 1000, "one/config.json: Innodb_rows_read.default"),
        Limit("XInnodb_rows_changed", 9000, "one/config.json: XInnodb_rows_changed.151->152"),
    )
    by_counter = {limit.counter: limit.maximum for limit in dataset.limits_for(Step("215", ("214",)))}
    assert by_counter == {"wall_s": 180, "Innodb_rows_read": 1000, "XInnodb_rows_changed": 500}
    assert {limit.counter: limit.maximum for limit in dataset.limits_for(Step("8", ("7", "6")))}["wal_bytes"] == 4


def test_all_datasets_of_the_project_are_found_wherever_they_are(tmp_path: Path) -> None:
    dataset_in(tmp_path / "b")
    dataset_in(tmp_path / "more" / "a", project="nova")
    dataset_in(tmp_path / "other", project="openstack/glance")
    dataset_in(tmp_path / "elsewhere", project="attic/nova")
    (tmp_path / "empty").mkdir()
    datasets, problems = discover(tmp_path, "openstack/nova")
    assert [dataset.name for dataset in datasets] == ["a", "b"]
    assert problems == ()


def test_the_root_may_be_a_dataset_itself(tmp_path: Path) -> None:
    dataset_in(tmp_path / "only")
    datasets, _ = discover(tmp_path / "only", "openstack/nova")
    assert [dataset.name for dataset in datasets] == ["only"]


def test_a_broken_dataset_is_a_problem_and_the_others_are_found(tmp_path: Path) -> None:
    dataset_in(tmp_path / "good")
    dataset_in(tmp_path / "broken", seed_dat="x")
    datasets, problems = discover(tmp_path, "openstack/nova")
    assert [dataset.name for dataset in datasets] == ["good"]
    assert problems == (f"{tmp_path / 'broken' / 'config.json'}: seed_dat: unknown key; did you mean seed_data?",)


def test_two_datasets_of_one_name_are_a_problem(tmp_path: Path) -> None:
    dataset_in(tmp_path / "x" / "same")
    dataset_in(tmp_path / "y" / "same")
    datasets, problems = discover(tmp_path, "openstack/nova")
    assert len(datasets) == 1
    assert len(problems) == 1
    assert "has the same name" in problems[0]


def test_a_root_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert discover(tmp_path / "nix", "nova")[1] == (
        f"{tmp_path / 'nix'}: there is no such directory; correct `datasets`",
    )


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"databse": "x"}, "databse: unknown key; did you mean database?"),
        ({"innodb_rows_read": {}}, "innodb_rows_read: unknown key; did you mean Innodb_rows_read?"),
        ({"database": 5}, "database: must be text, not 5"),
        ({"Innodb_rows_read": {"default": "5"}}, "Innodb_rows_read.default: must be a number, not '5'"),
        ({"maximum_migration_times": {"default": True}}, "maximum_migration_times.default: must be a number, not True"),
        ({"maximum_migration_times": 60}, "maximum_migration_times: must be an object: {…}"),
        ({"maximum_migration_times": {"default": -1}}, "maximum_migration_times.default: -1 is negative"),
        ({"overlays": {"a": 1}}, "overlays: must be a list of texts, not {'a': 1}"),
        ({"seed_data": "../secret.sql"}, "seed_data: ../secret.sql is outside of the dataset's directory"),
        ({"seed_data": "/etc/passwd"}, "seed_data: /etc/passwd is outside of the dataset's directory"),
        ({"seed_data": "link.sql"}, "seed_data: link.sql is outside of the dataset's directory"),
        ({"seed_data": "nix.sql"}, "seed_data: there is no file nix.sql"),
        ({"overlays": ["nix.sql"]}, "overlays[0]: there is no file nix.sql"),
        ({"database": "a`b"}, "database: 'a`b' is no name; use letters, digits, _, - and ."),
        ({"database": "../x"}, "database: '../x' is no name; use letters, digits, _, - and ."),
        ({"db_user": "thcore"}, "db_user: thcore is our own account on the server; use another name"),
        ({"db_pass": ""}, "db_pass: is missing; any text will do, the server is private"),
        ({"character_set": "utf8; DROP"}, "character_set: 'utf8; DROP' is no name"),
    ],
)
def test_what_is_wrong_is_said_with_its_key(keys: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "secret.sql").touch()
    (tmp_path / "one" / "link.sql").symlink_to("/etc/passwd")
    assert problems_of(tmp_path / "one", **keys) == [problem]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path, {"type": 1, "database": "d", "seed_data": "s", "limit": {}})
    assert sorted(found) == [
        "limit: unknown key; did you mean limits?",
        "project: is missing",
        "type: must be text, not 1",
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '"x"', "{}", '{"project": null}'])
def test_any_other_text_is_a_problem_and_no_crash(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    dataset, problems = read(tmp_path)
    assert dataset is None
    assert problems


def test_text_that_is_not_utf_8_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b'{"project": "\xff"}')
    assert "is no UTF-8 text" in read(tmp_path)[1][0]


def test_the_fingerprint_changes_with_the_seed_and_the_keys_that_matter_and_only_then(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = fingerprint(good(tmp_path / "one"), state)
    assert fingerprint(good(tmp_path / "two"), state) == first
    assert fingerprint(good(tmp_path / "one", maximum_migration_times={"default": 1}), state) == first
    assert fingerprint(good(tmp_path / "one", db_pass="other"), state) != first
    assert fingerprint(good(tmp_path / "one", character_set="utf8mb3"), state) != first
    dataset = good(tmp_path / "one")
    dataset.seed.write_text("SELECT 2;\n")
    assert fingerprint(dataset, state) != first


def test_the_fingerprint_sees_an_edit_that_keeps_size_and_time(tmp_path: Path) -> None:
    dataset = good(tmp_path / "one")
    before = dataset.seed.stat()
    first = fingerprint(dataset, tmp_path / "state")
    dataset.seed.write_text("SELECT 9;\n")
    os.utime(dataset.seed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert fingerprint(dataset, tmp_path / "state") != first
