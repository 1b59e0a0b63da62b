"""A real Django project on real data: a site of Wagtail, taken from release 5.2 to 8.0."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from parts.newsroom_seed import POSTGRESQL, PROOFREAD, SQLITE, make_seeds
from parts.real_projects import WAGTAIL

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(1200)]

DATASETS = {
    "file": ("sqlite", SQLITE, []),
    "server": ("postgresql", POSTGRESQL, []),
    "proofread": ("postgresql", POSTGRESQL, [PROOFREAD]),
}
"""The datasets: engine, seed, and what is wrong with it."""
FAILING = "wagtailcore.0090_remove_grouppagepermission_permission_type"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a build of the change says."""
    root = tmp_path_factory.mktemp("newsroom")
    make_seeds(root / "seeds" / WAGTAIL.source)
    WAGTAIL.make_repository(root / "origin")
    for name, (engine, seed, overlays) in DATASETS.items():
        project = evolve(WAGTAIL, seed=seed, dataset={**WAGTAIL.dataset, "type": engine})
        project.make_dataset(root / "seeds", root / "datasets" / name, overlays)
    return WAGTAIL.judged(root, "newsroom")


@pytest.mark.parametrize("name", ["file", "server"])
def test_wagtail_goes_from_5_2_to_8_0(result: dict[str, Any], name: str) -> None:
    (dataset,) = [dataset for dataset in result["datasets"] if dataset["name"] == name]

    assert dataset["tool"] == "django"
    assert "wagtailcore.0089_log_entry_data_json_null_to_object" in dataset["start_version"]
    assert dataset["final_version"] == dataset["expected_version"]
    assert {"articles.0001_initial", "wagtailcore.0098_apitoken"} < set(dataset["final_version"])
    assert len(dataset["final_version"]) == 15, "one for each app"
    assert len(dataset["steps"]) == 24
    assert all(step["added"] and step["result"] == "ok" for step in dataset["steps"])
    assert FAILING in {step["step"]["version"] for step in dataset["steps"]}


def test_a_permission_that_wagtail_no_longer_knows_stops_its_migration(result: dict[str, Any]) -> None:
    assert result["verdict"] == "FAILURE"
    (finding,) = [finding for finding in result["findings"] if finding["severity"] == "failure"]
    assert finding["code"] == "migration-not-ended"
    assert finding["location"]["dataset"] == "proofread"
    assert finding["location"]["step"].endswith(f"->{FAILING}")
    evidence = "\n".join(finding["evidence"])
    assert 'NotNullViolation [23502]: column "permission_id"' in evidence
    assert (
        'statement: ALTER TABLE "wagtailcore_grouppagepermission" ALTER COLUMN "permission_id" SET NOT NULL' in evidence
    )
    assert "0090_remove_grouppagepermission_permission_type.py, line 27: migrations.AlterField(" in evidence
