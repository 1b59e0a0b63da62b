"""The migration gate, whole: gearmand, ``thcore serve``, git, MariaDB and SQLite, with a dataset of 200,000 rows."""

from __future__ import annotations

import functools
import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from thcore.testing.gearmand import Gearmand

from parts import shop
from parts.worker import Worker, words
from parts.zuul import Zuul, ZuulBuild

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repository, datasets and a directory for results, made once."""
    root = tmp_path_factory.mktemp("gate")
    shop.make_repository(root / "origin" / "example" / "shop")
    seed = root / "seed.sql.gz"
    shop.write_seed(seed)
    shop.make_dataset(root / "mariadb", "shop_mariadb", seed, "mysql")
    shop.make_dataset(root / "sqlite", "shop_sqlite", seed, "sqlite")
    shop.make_dataset(
        root / "both", "a_small_limit", seed, "sqlite", maximum_migration_times={"default": 120, "0004": 0}
    )
    shop.make_dataset(root / "both", "b_no_limit", seed, "sqlite")
    (root / "results").mkdir()
    return root


@pytest.fixture(scope="module")
def web(ground: Path) -> Iterator[str]:
    """A web server on the results; its address."""
    handler = functools.partial(_Quiet, directory=ground / "results")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def gearmand() -> Iterator[Gearmand]:
    with Gearmand() as server:
        yield server


def make_worker(ground: Path, web: str, gearmand: Gearmand, name: str, **configuration: Any) -> Worker:
    jobs = [
        {"name": f"{name}-{kind}", "timeout": "5m", "plugins": {"dbmigration": {"datasets": str(ground / kind)}}}
        for kind in ("mariadb", "sqlite", "both")
    ]
    plugins = {
        "git": {"base_url": str(ground / "origin")},
        "venv": {},
        "publish_local": {"path": str(ground / "results"), "url": web},
    }
    return Worker(ground / name, gearmand.address, jobs, defaults={"plugins": plugins}, name=name, **configuration)


@pytest.fixture(scope="module")
def worker(ground: Path, web: str, gearmand: Gearmand) -> Iterator[Worker]:
    with make_worker(ground, web, gearmand, "gate") as made:
        yield made


@pytest.fixture
def zuul(gearmand: Gearmand) -> Iterator[Zuul]:
    with Zuul(gearmand.port) as client:
        yield client
        assert client.violations == []


def launch(zuul: Zuul, ground: Path, job: str, ref: str) -> ZuulBuild:
    _, _, _, number, patchset = ref.split("/")
    return zuul.launch(
        job,
        ZUUL_PROJECT=shop.PROJECT,
        ZUUL_BRANCH="main",
        ZUUL_REF=ref,
        ZUUL_COMMIT=None,
        ZUUL_URL=str(ground / "origin"),
        ZUUL_CHANGE=number,
        ZUUL_PATCHSET=patchset,
    )


def fetch(build: ZuulBuild, name: str) -> str:
    assert build.url is not None
    with urllib.request.urlopen(f"{build.url}{name}") as answer:
        text: str = answer.read().decode()
        return text


def result_of(build: ZuulBuild) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(fetch(build, "result.json"))
    return document


def only_dataset(document: dict[str, Any]) -> dict[str, Any]:
    (dataset,) = document["datasets"]
    assert isinstance(dataset, dict)
    return dataset


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_good_change_passes_with_every_step_timed_and_its_pages_served(
    ground: Path, worker: Worker, zuul: Zuul, kind: str
) -> None:
    build = launch(zuul, ground, f"gate-{kind}", shop.GOOD)

    assert build.wait(300) == "SUCCESS", build.data[-1]

    assert build.packets[-1].kind == "COMPLETE"
    assert "SUCCESS" in fetch(build, "")
    dataset = only_dataset(result_of(build))
    assert dataset["version"] == "2026-11"
    assert "2026-11" in fetch(build, "")
    assert dataset["start_version"] == ["0002"]
    assert dataset["final_version"] == dataset["expected_version"] == ["0004"]
    assert [(step["step"]["version"], step["added"]) for step in dataset["steps"]] == [("0003", False), ("0004", True)]
    assert all(step["measurement"]["wall_s"] > 0 for step in dataset["steps"])


@pytest.mark.parametrize(
    ("kind", "words"), [("mariadb", "Duplicate entry 'user"), ("sqlite", "UNIQUE constraint failed")]
)
def test_change_that_breaks_on_the_data_fails_with_the_servers_words(
    ground: Path, worker: Worker, zuul: Zuul, kind: str, words: str
) -> None:
    build = launch(zuul, ground, f"gate-{kind}", shop.BREAKS_ON_DATA)

    assert build.wait(300) == "FAILURE", build.data[-1]

    assert build.packets[-1].kind == "FAIL"
    document = result_of(build)
    (finding,) = [found for found in document["findings"] if found["severity"] == "failure"]
    assert finding["message"] == "FAILURE - Did not find the end of a migration after a start"
    assert finding["code"] == "migration-not-ended"
    assert finding["location"]["dataset"] == f"shop_{kind}"
    assert "0004" in finding["location"]["step"]
    assert words in "\n".join(finding["evidence"])
    assert words.replace("'", "&#39;") in fetch(build, "")
    assert [step["result"] for step in only_dataset(document)["steps"]] == ["ok", "failed"]


def test_change_that_needs_a_missing_module_is_told_so(ground: Path, worker: Worker, zuul: Zuul) -> None:
    build = launch(zuul, ground, "gate-sqlite", shop.NEEDS_MISSING_MODULE)

    assert build.wait(300) == "FAILURE", build.data[-1]

    found = result_of(build)["findings"][0]
    assert found["message"] == "FAILURE - Could not import required module."
    assert "no_such_module" in "\n".join(found["evidence"])


def test_every_dataset_is_judged_and_the_worst_decides(ground: Path, worker: Worker, zuul: Zuul) -> None:
    build = launch(zuul, ground, "gate-both", shop.GOOD)

    assert build.wait(300) == "FAILURE", build.data[-1]

    document = result_of(build)
    assert [dataset["name"] for dataset in document["datasets"]] == ["a_small_limit", "b_no_limit"]
    assert all(dataset["final_version"] == ["0004"] for dataset in document["datasets"])
    (finding,) = [found for found in document["findings"] if found["severity"] == "failure"]
    assert finding["message"] == "WARNING - Migration 0003->0004 took too long"
    assert finding["location"]["dataset"] == "a_small_limit"


def test_project_without_a_dataset_is_never_a_pass(ground: Path, worker: Worker, zuul: Zuul) -> None:
    (ground / "origin" / "example" / "other").symlink_to("shop")

    build = zuul.launch(
        "gate-sqlite",
        ZUUL_PROJECT="example/other",
        ZUUL_BRANCH="main",
        ZUUL_REF=shop.GOOD,
        ZUUL_COMMIT=None,
        ZUUL_URL=str(ground / "origin"),
    )

    assert build.wait(300) is None
    assert result_of(build)["findings"][0]["message"] == "FAILURE - Could not find seed database."


@pytest.mark.parametrize("pairs", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_more_builds_at_once_than_there_are_slots_are_all_answered(
    ground: Path, worker: Worker, zuul: Zuul, pairs: int
) -> None:
    builds = [launch(zuul, ground, "gate-mariadb", ref) for ref in (shop.BREAKS_ON_DATA, shop.GOOD) * pairs]

    results = [build.wait(500) for build in builds]

    assert results == ["FAILURE", "SUCCESS"] * pairs


def test_stop_in_the_middle_of_a_step_ends_every_process_within_five_seconds(
    ground: Path, worker: Worker, zuul: Zuul
) -> None:
    build = launch(zuul, ground, "gate-mariadb", shop.ENDLESS)
    wait_for_step(worker, build, "0003->0004 starts")
    running = [
        process for process in worker.processes() if "python" not in process.name() or "alembic" in str(words(process))
    ]
    assert any("mariadbd" in process.name() for process in running)

    build.cancel()
    _, alive = psutil.wait_procs(running, timeout=5)

    assert alive == []
    build.wait(10)
    assert build.data[-1]["result"] == "ABORTED"


def test_server_that_cannot_start_is_nobodys_failure(ground: Path, web: str, gearmand: Gearmand, zuul: Zuul) -> None:
    programs = ground / "broken-programs"
    programs.mkdir()
    for name in ("mariadbd", "mariadb", "mariadb-install-db"):
        (programs / name).write_text("#!/bin/sh\necho 'cannot allocate memory for the buffer pool' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    settings = {"dbmigration": {"mysql_programs": str(programs)}}

    with make_worker(ground, web, gearmand, "broken", plugins=settings):
        build = launch(zuul, ground, "broken-mariadb", shop.GOOD)
        result = build.wait(300)

    assert result is None
    document = result_of(build)
    assert document["verdict"] == "UNVERIFIED"
    assert not [found for found in document["findings"] if found["severity"] == "failure"]


def test_worker_leaves_no_server_socket_or_workspace_behind(ground: Path, worker: Worker, zuul: Zuul) -> None:
    assert launch(zuul, ground, "gate-mariadb", shop.GOOD).wait(300) == "SUCCESS"

    deadline = time.monotonic() + 10
    while list((worker.state / "work").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)  # the answer goes out before the workspace is removed
    assert list((worker.state / "work").iterdir()) == []
    assert not worker.named("mariadbd", "postgres")


def wait_for_step(worker: Worker, build: ZuulBuild, text: str, timeout: float = 120) -> None:
    """Wait until a line of the running build's log has ``text`` in it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        for log in (worker.state / "work").glob(f"{build.unique}-*/artifacts/console.log"):
            if text in log.read_text(errors="replace"):
                return
        assert not build.ended, build.data[-1]
        time.sleep(0.05)  # another process writes the log
    raise TimeoutError(f"build {build.unique} never logged {text!r}")
