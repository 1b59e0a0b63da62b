"""A worker that publishes to a real Swift: whatever is wrong there, the evidence goes out when it is mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from thcore.model.document import from_json
from thcore.testing.swift import Swift

from parts.puppet import Theatre
from parts.swift import KEY, Container, container
from parts.worker import Worker

pytestmark = pytest.mark.system


def problems(worker: Worker) -> dict[str, str]:
    """What the publisher said of each build that waits, by job."""
    entries = [json.loads(path.read_text()) for path in (worker.state / "spool").glob("*/entry.json")]
    return {entry["request"]["job"]: entry["problem"] for entry in entries}


@pytest.fixture
def logs(swift: Swift) -> Iterator[Container]:
    made = container(swift)
    made.make(X_Container_Meta_Temp_URL_Key=KEY)
    yield made
    (swift.directory / "allowed").unlink(missing_ok=True)
    swift.start()


def jobs(theatre: Theatre, **options: Any) -> list[dict[str, Any]]:
    """A job for each of these options of the plugin, which leaves a file ``forbidden.txt`` when its name is that."""
    made = []
    for name, given in options.items():
        script = ["/bin/sh", "-c", f'echo evidence > "$LOG_DIR/{name}.txt"']
        plugins = {
            "puppet": {"directory": str(theatre.flags)},
            "shell": {"script": script},
            "exit_status": {},
            "publish_swift": given,
        }
        made.append({"name": name, "plugins": plugins, "stages": {"execute": "shell"}})
    return made


def test_evidence_waits_for_whatever_is_wrong_with_swift_and_goes_out_when_it_is_mended(
    theatre: Theatre, logs: Container
) -> None:
    full = container(logs.server)
    full.make(X_Container_Meta_Quota_Count="0")
    patient = logs.options(retries=0)
    wrong = {
        "locked": {**patient, "password": "not the password"},
        "full": full.options(retries=0),
        "forbidden": patient,
        "expired": {"instructions": "logs", "retries": 0},
    }
    with theatre.worker(jobs=jobs(theatre, **wrong)) as worker:
        builds = {name: theatre.launch(name, LOG_PATH=f"1/{name}") for name in wrong if name != "expired"}
        late = logs.instructions("1/expired", lasts_s=-60)
        builds["expired"] = theatre.launch("expired", LOG_PATH="1/expired", **late)

        assert {name: build.wait() for name, build in builds.items()} == dict.fromkeys(wrong, "SUCCESS")
        theatre.wait_until(lambda: set(problems(worker)) == set(wrong), "all evidence in the spool")
        said = problems(worker)
        assert "does not let test:tester in (status 401); check user and password" in said["locked"]
        assert "Swift answered 413 (Upload exceeds quota.)" in said["full"]
        assert "1/forbidden/forbidden.txt: Swift answered 403 (not this)" in said["forbidden"]
        assert "Zuul's form was good until" in said["expired"]
        assert logs.get("1/forbidden/result.json") is None

        (logs.server.directory / "allowed").touch()
        full.ask("POST", headers={"X-Container-Meta-Quota-Count": "100"})
        logs.server.kill("memcached")  # which would know for a minute of the quota that was
        logs.server.start()
        mended = {**wrong, "locked": patient, "expired": {**patient, "instructions": "logs"}}
        worker.rewrite(jobs=jobs(theatre, **mended))
        worker.reload()

        theatre.wait_until(lambda: not list((worker.state / "spool").iterdir()), "an empty spool", timeout=120)
        for name, build in builds.items():
            where = full if name == "full" else logs
            assert where.get(f"1/{name}/{name}.txt") == b"evidence\n"
            document = where.get(f"1/{name}/result.json")
            assert document is not None
            assert from_json(document.decode()).build == build.unique
            assert b"live/log-" not in (where.get(f"1/{name}/index.html") or b"live/log-")
        assert "not the password" not in worker.text + (document or b"").decode()


@pytest.mark.slow
def test_a_build_is_answered_while_swift_is_away_and_published_when_it_is_back(
    theatre: Theatre, logs: Container
) -> None:
    logs.server.kill("proxy")
    with theatre.worker(jobs=jobs(theatre, away=logs.options(retries=0))) as worker:
        build = theatre.launch("away", LOG_PATH="1/away")

        assert build.wait() == "SUCCESS"
        theatre.wait_until(lambda: "away" in problems(worker), "the evidence in the spool")
        assert "cannot sign in" in problems(worker)["away"] or "Connection refused" in problems(worker)["away"]

        logs.server.start()
        worker.reload()
        theatre.wait_until(lambda: not list((worker.state / "spool").iterdir()), "an empty spool", timeout=120)
    assert logs.get("1/away/away.txt") == b"evidence\n"
    assert logs.get("1/away/index.html") is not None
    assert "Traceback" not in worker.text
