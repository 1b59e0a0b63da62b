"""Real projects on real data: what the whole gate says about nova and Airflow."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from thcore.testing.gearmand import Gearmand

from parts.openstack import NOVA
from parts.real_projects import AIRFLOW, CHANGE, PLACE, VARIABLE, RealProject, find_datasets
from parts.worker import Worker
from parts.zuul import Zuul, ZuulBuild

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(3600)]

URL = "http://logs.example.org/"
PATIENCE_S = 3000
JOBS: dict[str, tuple[RealProject, dict[str, list[str]]]] = {
    "nova": (NOVA, {"nova_juno": []}),
    "nova-broken": (
        NOVA,
        {
            "null_uuid": ["overlay_267_null_uuid.sql"],
            "null_keypair": ["overlay_280_null_keypair.sql"],
            "unmigrated_flavor": ["overlay_291_unmigrated_flavor.sql"],
        },
    ),
    "airflow": (AIRFLOW, {"airflow_2_10": []}),
    "airflow-broken": (
        AIRFLOW,
        {"long_uri": ["overlay_0036_long_uri.sql"], "xcom_not_json": ["overlay_0049_xcom_not_json.sql"]},
    ),
    "airflow-silent": (AIRFLOW, {"as_dumped": [], "bad_pickle": ["overlay_0055_bad_pickle.sql"]}),
    "airflow-strict": (
        evolve(AIRFLOW, dbmigration={**AIRFLOW.dbmigration, "silent_loss": "failure"}),
        {"bad_pickle": ["overlay_0055_bad_pickle.sql"]},
    ),
}
"""Each job with its project, its datasets, and what is wrong with them."""
AIRFLOWS_HEADS = ["d2f4e1b3c5a7", "alembic_version_fab:02ca36b0235b"]
"""Of its own chain, and of that of its user management."""
STOPPED = {
    "null_uuid": (267, "null_instance_uuid_scan"),
    "null_keypair": (280, "1265"),
    "unmigrated_flavor": (291, "8017"),
}
"""Where each of nova's broken datasets is stopped, and what is said there: by nova, and by the server for 280."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories and datasets, and a directory for results."""
    source = find_datasets()
    if source is None:
        pytest.skip(f"no directory {PLACE} beside the repository, and {VARIABLE} does not name one")
    root = tmp_path_factory.mktemp("real")
    for project in (NOVA, AIRFLOW):
        project.make_repository(root / "origin")
    for job, (project, datasets) in JOBS.items():
        for name, overlays in datasets.items():
            project.make_dataset(source, root / job / name, overlays)
    (root / "results").mkdir()
    return root


@pytest.fixture(scope="module")
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


@pytest.fixture(scope="module")
def worker(ground: Path, gearmand: Gearmand) -> Iterator[Worker]:
    jobs = [
        {
            "name": job,
            "timeout": "45m",
            "plugins": {"venv": project.venv, "dbmigration": {"datasets": str(ground / job), **project.dbmigration}},
        }
        for job, (project, _) in JOBS.items()
    ]
    defaults = {
        "plugins": {
            "git": {"base_url": str(ground / "origin")},
            "publish_local": {"path": str(ground / "results"), "url": URL},
        }
    }
    with Worker(ground / "worker", gearmand.address, jobs, defaults=defaults, name="real") as made:
        yield made


@pytest.fixture
def zuul(gearmand: Gearmand) -> Iterator[Zuul]:
    with Zuul(gearmand.port) as client:
        yield client
        assert client.violations == []


def launch(zuul: Zuul, ground: Path, job: str) -> ZuulBuild:
    return zuul.launch(
        job,
        ZUUL_PROJECT=JOBS[job][0].name,
        ZUUL_BRANCH="main",
        ZUUL_REF=CHANGE,
        ZUUL_COMMIT=None,
        ZUUL_URL=str(ground / "origin"),
        ZUUL_CHANGE="1",
        ZUUL_PATCHSET="1",
        LOG_PATH=f"1/1/{job}",
    )


def published(ground: Path, build: ZuulBuild, name: str) -> str:
    assert build.url is not None
    return (ground / "results" / build.url.removeprefix(URL) / name).read_text()


def result_of(ground: Path, build: ZuulBuild) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(published(ground, build, "result.json"))
    return document


def failures(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [finding for finding in document["findings"] if finding["severity"] == "failure"]


def results_of_steps(dataset: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["step"]["version"], step["result"]) for step in dataset["steps"]]


def counted(dataset: dict[str, Any], version: str) -> int:
    """How many rows a step changed."""
    (step,) = [step for step in dataset["steps"] if step["step"]["version"] == version]
    changed: int = step["measurement"]["counters"]["XInnodb_rows_changed"]
    return changed


def test_nova_goes_from_254_to_300_and_is_stopped_by_bad_rows(ground: Path, worker: Worker, zuul: Zuul) -> None:
    good, bad = launch(zuul, ground, "nova"), launch(zuul, ground, "nova-broken")

    assert good.wait(PATIENCE_S) == "SUCCESS", good.data[-1]
    assert bad.wait(PATIENCE_S) == "FAILURE", bad.data[-1]

    (dataset,) = result_of(ground, good)["datasets"]
    assert (dataset["start_version"], dataset["final_version"]) == (["254"], ["300"])
    assert results_of_steps(dataset) == [(str(version), "ok") for version in range(255, 301)]
    for step in dataset["steps"]:
        assert step["added"]
        assert step["measurement"]["wall_s"] > 0
        assert {limit["counter"] for limit in step["limits"]} == {"wall_s", "Innodb_rows_read", "copied_rows"}
    document = result_of(ground, bad)
    found = {finding["location"]["dataset"]: finding for finding in failures(document)}
    runs = {dataset["name"]: dataset for dataset in document["datasets"]}
    page = published(ground, bad, "index.html")
    assert runs.keys() == found.keys() == STOPPED.keys()
    for name, (version, words) in STOPPED.items():
        assert runs[name]["final_version"] == [str(version - 1)]
        walked = [(str(each), "ok") for each in range(255, version)]
        ahead = [(str(each), "not-run") for each in range(version + 1, 301)]
        assert results_of_steps(runs[name]) == [*walked, (str(version), "failed"), *ahead]
        assert found[name]["code"] == "migration-not-ended"
        assert found[name]["location"]["step"] == f"{version - 1}->{version}"
        assert words in "\n".join(found[name]["evidence"])
        assert f"{version - 1}-&gt;{version}" in page


def test_airflow_goes_from_2_10_to_3_3_and_is_stopped_by_bad_rows(ground: Path, worker: Worker, zuul: Zuul) -> None:
    good, bad = launch(zuul, ground, "airflow"), launch(zuul, ground, "airflow-broken")

    assert bad.wait(PATIENCE_S) == "FAILURE", bad.data[-1]
    assert good.wait(PATIENCE_S) == "SUCCESS", good.data[-1]

    (dataset,) = result_of(ground, good)["datasets"]
    assert (dataset["start_version"], dataset["final_version"]) == (["5f2621c13b39"], AIRFLOWS_HEADS)
    assert {step["step"]["chain"] for step in dataset["steps"]} == {"", "alembic_version_fab"}
    assert len(dataset["steps"]) > 90
    assert all(step["added"] and step["result"] == "ok" for step in dataset["steps"])
    assert counted(dataset, "d59cbbef95eb") >= 192_000
    document = result_of(ground, bad)
    found = {finding["location"]["dataset"]: finding for finding in failures(document)}
    final = {dataset["name"]: dataset["final_version"] for dataset in document["datasets"]}
    assert final == {"long_uri": ["44eabb1904b4"], "xcom_not_json": ["9fc3fc5de720"]}
    assert {finding["code"] for finding in found.values()} == {"migration-not-ended"}
    assert found["long_uri"]["location"]["step"] == "44eabb1904b4->0d9e73a75ee4"
    assert "StringDataRightTruncation" in "\n".join(found["long_uri"]["evidence"])
    assert found["xcom_not_json"]["location"]["step"] == "9fc3fc5de720->eed27faa34e3"
    assert "InvalidTextRepresentation" in "\n".join(found["xcom_not_json"]["evidence"])
    assert "9fc3fc5de720-&gt;eed27faa34e3" in published(ground, bad, "index.html")
    broken = next(dataset for dataset in document["datasets"] if dataset["name"] == "xcom_not_json")
    assert counted(broken, "d59cbbef95eb") == counted(result_of(ground, good)["datasets"][0], "d59cbbef95eb")


def test_airflow_loses_what_it_cannot_unpickle_without_a_word_and_is_told_by_the_counts(
    ground: Path, worker: Worker, zuul: Zuul
) -> None:
    build = launch(zuul, ground, "airflow-silent")

    assert build.wait(PATIENCE_S) == "SUCCESS", build.data[-1]
    document = result_of(ground, build)
    assert [dataset["final_version"] for dataset in document["datasets"]] == [AIRFLOWS_HEADS] * 2
    step = "38770795785f->e39a26ac59f6"
    (finding,) = [finding for finding in document["findings"] if finding["location"]["step"] == step]
    assert (finding["code"], finding["severity"]) == ("values-vanished", "warning")
    assert finding["location"]["dataset"] == "bad_pickle"
    assert "dag_run.conf" in finding["message"]
    others = [other for other in document["findings"] if other["location"]["dataset"] == "bad_pickle"]
    assert finding in [other for other in others if other["severity"] == "warning"]
    (loss,) = losses(document, "bad_pickle", "e39a26ac59f6")
    assert (loss["table"], loss["column"]) == ("dag_run", "conf")
    assert 0 < loss["before"] - loss["after"] <= 5
    assert losses(document, "as_dumped", "e39a26ac59f6") == []
    assert "dag_run.conf" in published(ground, build, "index.html")


def test_what_airflow_loses_without_a_word_fails_the_build_where_the_job_says_so(
    ground: Path, worker: Worker, zuul: Zuul
) -> None:
    build = launch(zuul, ground, "airflow-strict")

    assert build.wait(PATIENCE_S) == "FAILURE", build.data[-1]
    document = result_of(ground, build)
    (dataset,) = document["datasets"]
    assert dataset["final_version"] == AIRFLOWS_HEADS
    assert {step["result"] for step in dataset["steps"]} == {"ok"}
    step = "38770795785f->e39a26ac59f6"
    (finding,) = [finding for finding in failures(document) if finding["location"]["step"] == step]
    assert (finding["code"], finding["location"]["dataset"]) == ("values-vanished", "bad_pickle")
    assert finding["message"] == f"Migration {step} lost values of dag_run.conf: 7918 -> 7916"
    assert {other["code"] for other in failures(document)} == {"rows-vanished", "values-vanished"}
    assert html.escape(finding["message"]) in published(ground, build, "index.html")


def losses(document: dict[str, Any], dataset: str, version: str) -> list[dict[str, Any]]:
    """What a step left less of."""
    (run,) = [run for run in document["datasets"] if run["name"] == dataset]
    (step,) = [step for step in run["steps"] if step["step"]["version"] == version]
    lost: list[dict[str, Any]] = step["losses"]
    return lost
