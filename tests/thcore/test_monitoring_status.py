from __future__ import annotations

import datetime
import json

import pytest
from attrs import evolve

from thcore.model import BuildEvent, BuildEventKind, BuildRequest, Change, ChangeKind
from thcore.monitoring.status import (
    STATUS_SCHEMA_VERSION,
    DiskStatus,
    LastOutcome,
    Phase,
    Reading,
    RunningBuild,
    ServerStatus,
    SpoolStatus,
    from_json,
    to_json,
)

from parts.outcomes import failing
from parts.status import NOW, busy, hostile, idle, paused

UP = ServerStatus("a:4730", connected=True)
DOWN = ServerStatus("b:4730", connected=False, problem="connection refused")


def test_a_worker_that_serves_and_is_connected_is_ready() -> None:
    assert (idle().ready, idle().not_ready, idle().warnings) == (True, (), ())


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SERVING])
def test_in_every_other_phase_it_is_not_ready_and_says_which(phase: Phase) -> None:
    status = evolve(idle(), phase=phase)

    assert not status.ready
    assert [reason.partition(":")[0] for reason in status.not_ready] == [phase.value]


def test_a_pause_is_explained_by_its_reasons_and_a_drain_adds_to_them() -> None:
    reasons = ("/srv is full", "the publisher is broken")

    assert evolve(idle(), phase=Phase.PAUSED, reasons=reasons).not_ready == reasons
    assert evolve(idle(), phase=Phase.DRAINING, reasons=reasons).not_ready[1:] == reasons


def test_without_any_server_it_is_not_ready_and_says_what_is_wrong_with_each() -> None:
    other = ServerStatus("c:4730", connected=False)

    assert evolve(idle(), servers=()).not_ready == ("no Gearman server is connected",)
    assert evolve(idle(), servers=(DOWN, other)).not_ready == (
        "no Gearman server is connected: b:4730 (connection refused), c:4730 (not connected)",
    )


def test_one_server_of_two_is_enough_but_somebody_should_look() -> None:
    status = evolve(idle(), servers=(UP, DOWN))

    assert status.ready
    assert status.warnings == ("b:4730: connection refused",)


def test_alive_but_not_consuming_is_not_ready() -> None:
    deaf = ServerStatus("a:4730", connected=True, problem="it does not know build:gate-shop")

    assert evolve(idle(), servers=(deaf,)).not_ready == ("a:4730: it does not know build:gate-shop",)
    assert not evolve(idle(), servers=(deaf, UP)).ready


def test_what_does_not_keep_builds_away_is_a_warning_each_told_once() -> None:
    status = evolve(
        idle(),
        spool=SpoolStatus(1, 3.0, 10, "no route to host"),
        history="locked",
        disks=(DiskStatus("/srv", "state", 0, 1, "full"), DiskStatus("/tmp", "work", 1, 2)),
        quarantine=2,
    )

    assert status.ready
    assert status.warnings == (
        "results are kept in the spool: no route to host",
        "history: locked",
        "/srv (state): full",
        "2 builds are in quarantine; see thcore builds",
    )
    assert "/srv (state): full" not in evolve(status, reasons=("/srv (state): full",)).warnings


def test_a_configuration_that_was_not_taken_is_pointed_out_and_the_worker_stays_ready() -> None:
    status = evolve(idle(), reading=Reading(NOW, taken=False))

    assert status.ready
    assert status.warnings == ("the configuration that was read at 07:30:00 UTC is not used; the log says why",)


@pytest.mark.parametrize("phase", Phase)
def test_only_a_worker_that_was_told_to_stop_is_one_that_ends(phase: Phase) -> None:
    assert evolve(idle(), phase=phase).ends == (phase in {Phase.DRAINING, Phase.STOPPING})


@pytest.mark.parametrize("status", [idle(), busy(), paused(), hostile("\x00\u2028\ud800")], ids=str)
def test_a_status_comes_back_from_its_document_as_it_was(status: object) -> None:
    assert from_json(to_json(status)) == status  # type: ignore[arg-type] # a Status; ids=str wants objects


def test_the_document_is_one_line_and_says_what_follows_from_it() -> None:
    text = to_json(paused())
    plain = json.loads(text)

    assert "\n" not in text
    assert plain["schema_version"] == STATUS_SCHEMA_VERSION
    assert (plain["ready"], plain["not_ready"]) == (False, list(paused().not_ready))
    assert plain["warnings"] == list(paused().warnings)
    assert plain["up_s"] == 30 * 3600
    assert plain["builds"][0]["percent"] == 87


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Expecting value"),
        ("[]", "not a status.json"),
        ("{}", "schema_version"),
        (to_json(idle()).replace('"schema_version": 1', '"schema_version": 2'), "newer than this thcore"),
        (to_json(idle()).replace('"serving"', '"sleeping"'), "not a status.json"),
    ],
)
def test_what_is_no_status_is_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        from_json(text)


def test_keys_that_a_later_worker_adds_are_no_obstacle() -> None:
    plain = json.loads(to_json(busy())) | {"weather": "fine"}

    assert from_json(json.dumps(plain)) == busy()


def test_a_running_build_follows_its_events() -> None:
    request = BuildRequest("b1", "gate", Change("example/shop", ChangeKind.BRANCH, branch="main"), {}, "log")

    def event(kind: BuildEventKind, **more: object) -> BuildEvent:
        return BuildEvent(kind, "b1", "gate", 1, NOW, **more)  # type: ignore[arg-type] # the rest of its fields

    build = RunningBuild.begun(request, 1, NOW)
    assert (build.build, build.job, build.stage, build.percent) == ("b1", "gate", None, 0)
    assert "example/shop" in build.change
    build = build.after(event(BuildEventKind.STAGE_STARTED, stage="checkout"), 0)
    build = build.after(event(BuildEventKind.PROGRESS, stage="checkout", detail="fetching", done=1, total=4), 3)
    assert (build.stage, build.detail, build.done, build.total, build.percent) == ("checkout", "fetching", 1, 4, 3)
    build = build.after(event(BuildEventKind.STAGE_ENDED, stage="checkout", detail="ok"))
    assert build.percent == 3
    build = build.after(event(BuildEventKind.STAGE_STARTED, stage="execute"), 25)
    assert (build.stage, build.detail, build.done, build.total, build.percent) == ("execute", "", 0, 0, 25)


def test_an_outcome_is_remembered_with_its_page() -> None:
    outcome = failing()
    last = LastOutcome.of(outcome)

    assert (last.build, last.job, last.verdict) == (outcome.build, outcome.job, outcome.verdict)
    assert last.duration_s == outcome.duration_s
    assert last.url == (outcome.publications[0].url if outcome.publications else "")


def test_the_clock_may_be_set_back() -> None:
    assert evolve(idle(), at=NOW - datetime.timedelta(days=1)).up_s == 0.0


def test_a_running_build_has_the_page_that_it_told_of() -> None:
    change = Change("example/project", ChangeKind.BRANCH, branch="main")
    begun = RunningBuild.begun(BuildRequest("b1", "job", change, {}, "1/check"), 1, NOW)
    told = BuildEvent(BuildEventKind.PAGE, "b1", "job", 1, NOW, detail="https://logs.example.org/1/")
    assert (begun.url, begun.after(told).url) == ("", "https://logs.example.org/1/")
