"""A real project of sqlalchemy-migrate's days, each release on the Python of its day: cinder from Pike to Wallaby, with
its data migrations and without them."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from parts.openstack import CINDER

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1800)]

ROWS = """\
INSERT INTO volumes (id, user_id, project_id, host, size, status, display_name, deleted, created_at)
  SELECT CONCAT('volume-', seq), MD5(seq % 90), MD5(seq % 40), 'store@lvm', 1 + seq % 20, 'available', 'disk', 0, NOW()
  FROM seq_1_to_300;
INSERT INTO snapshots (id, volume_id, user_id, project_id, volume_size, status, deleted, created_at)
  SELECT CONCAT('snapshot-', seq), CONCAT('volume-', seq), MD5(seq % 90), MD5(seq % 40), 1, 'available', 0, NOW()
  FROM seq_1_to_100;
"""
"""Volumes and snapshots without a type, as Pike allowed them."""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a build of the change says."""
    root = tmp_path_factory.mktemp("cinder")
    source = root / "source"
    source.mkdir()
    (source / "empty.sql").write_text("-- The first release makes the tables.\n")
    (source / "rows.sql").write_text(ROWS)
    CINDER.make_repository(root / "origin")
    unprepared = {key: value for key, value in CINDER.dataset.items() if key != "fixups"}
    for name, dataset in (("prepared", CINDER.dataset), ("unprepared", unprepared)):
        project = evolve(CINDER, dataset=dataset, fixups=("rows.sql",))
        project.make_dataset(source, root / "datasets" / name)
    return CINDER.judged(root, "cinder")


def of(result: dict[str, Any], name: str) -> dict[str, Any]:
    (dataset,) = [dataset for dataset in result["datasets"] if dataset["name"] == name]
    return dict(dataset)


def test_cinder_goes_from_nothing_through_four_of_its_releases(result: dict[str, Any]) -> None:
    dataset = of(result, "prepared")

    assert dataset["final_version"] == dataset["expected_version"] == ["141"], result["findings"]
    assert dataset["tool"] == "sqlalchemy_migrate"
    legs: dict[str, list[int]] = {}
    for step in dataset["steps"]:
        assert step["result"] == "ok"
        assert step["added"] is (not step["leg"])
        legs.setdefault(step["leg"], []).append(int(step["step"]["version"]))
    assert legs == {
        "release pike": list(range(73, 106)),
        "release rocky": list(range(106, 124)),
        "main": list(range(124, 133)),
        "": list(range(133, 142)),
    }


def test_volumes_that_were_not_migrated_stop_the_migration_that_wants_them_to_be(result: dict[str, Any]) -> None:
    assert result["verdict"] == "FAILURE", result["findings"]
    (finding,) = [finding for finding in result["findings"] if finding["severity"] == "failure"]
    assert finding["code"] == "migration-not-ended"
    assert (finding["location"]["dataset"], finding["location"]["step"]) == ("unprepared", "135->136")
    assert "run `cinder-manage db online_data_migrations`" in "\n".join(finding["evidence"])
    assert of(result, "unprepared")["final_version"] == ["135"]
