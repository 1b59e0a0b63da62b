"""The log of a real worker, for programs: one JSON object a line, whoever writes it and whatever is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thcore.monitoring.action import ACTIONS

from parts.puppet import Theatre
from parts.worker import Worker
from parts.zuul import Zuul

pytestmark = pytest.mark.system

JSON = {"format": "json", "level": "debug"}
HOSTILE = 'first\nsecond\r\x1b[2J\x1b]0;title\x07 \u2028 "quoted" {"severity": "error"}'


def lines(worker: Worker) -> list[dict[str, Any]]:
    """Everything that the worker has logged; it ends with the worker. Only the greeting at its start is none of it."""
    found = [json.loads(line) for line in worker.output if line != "ready: worker-under-test"]
    assert len(found) == len(worker.output) - 1
    for line in found:
        assert {"time", "severity", "message", "logger"} <= line.keys()
        assert line.get("action") is None or line["action"] in ACTIONS
    return found


def test_every_line_is_an_object_and_those_of_builds_name_them(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker(log=JSON) as worker:
        good = theatre.launch()
        assert good.wait() == "SUCCESS"
        died = theatre.launch(DO_EXECUTE="kill")
        assert died.wait() is None
        raised = theatre.launch(DO_EXECUTE="raise")
        assert raised.wait() is None
        (nursery,) = worker.nurseries()
        nursery.kill()
        theatre.launch().wait()  # in a child that dies along, or in one of the next nursery
        worker.wait_for("nursery_died")
        assert theatre.launch().wait() == "SUCCESS"
        worker.rewrite(slots=3)
        worker.reload()
        worker.rewrite(slots="many")
        worker.reload("config_rejected")

    found = lines(worker)
    actions = [line.get("action") for line in found]
    for action in ("worker_started", "link_up", "child_died", "nursery_died", "config_rejected", "worker_stopped"):
        assert action in actions
    for build in (good, died, raised):
        of_it = [line for line in found if line.get("build") == build.unique]
        assert {"build_started", "stage_ended", "build_ended"} <= {line["action"] for line in of_it if "action" in line}
        for line in of_it:
            if line["action"] != "history_written":
                assert (line["attempt"], line["job"]) == (1, "play"), line
    # A line about a build that does not name it would be lost to whoever looks for it.
    assert [line for line in found if good.unique in line["message"] and "build" not in line] == []


def test_text_of_others_makes_no_line_of_its_own(theatre: Theatre, zuul: Zuul) -> None:
    with theatre.worker(log=JSON) as worker:
        assert zuul.launch("play", raw=HOSTILE.encode()).wait() == "INVALID_ARGUMENTS"
        assert theatre.launch(ZUUL_PROJECT=HOSTILE).wait() == "INVALID_ARGUMENTS"
        assert theatre.launch(ZUUL_BRANCH=HOSTILE).wait() == "INVALID_ARGUMENTS"
        assert theatre.launch(LOG_PATH=HOSTILE, NOTE=HOSTILE).wait() == "INVALID_ARGUMENTS"
        assert theatre.launch(NOTE=HOSTILE, DO_EXECUTE="warn").wait() == "SUCCESS"
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        zuul.stop("worker-under-test", "play", HOSTILE)
        theatre.release("execute", build)
        assert build.wait() == "SUCCESS"

    found = lines(worker)
    refused = [line for line in found if line.get("action") == "build_refused"]
    assert len(refused) == 4
    assert all(line["job"] == "play" and line["build"] for line in refused)
    (warned,) = [line for line in found if line["logger"] == "py.warnings"]
    assert HOSTILE in warned["message"]
    assert "\x1b" not in worker.text


def test_text_of_others_makes_no_line_of_its_own_for_people_either(theatre: Theatre, zuul: Zuul) -> None:
    with theatre.worker() as worker:
        assert theatre.launch(ZUUL_PROJECT=HOSTILE).wait() == "INVALID_ARGUMENTS"
        zuul.stop("worker-under-test", "play", HOSTILE)

    assert "\x1b" not in worker.text
    assert [line for line in worker.output if line.startswith(("second", "[2J", '"quoted"'))] == []
