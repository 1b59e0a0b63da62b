"""Measuring around steps: how long to wait for counters that a session keeps to itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from thcore.model import Secret, Statement, Step
from thcore.testing import make_build
from thplugins_dbmigration.datasets import Dataset
from thplugins_dbmigration.engines.storage import Storage
from thplugins_dbmigration.engines.table_size import TableSize
from thplugins_dbmigration.project import Chosen
from thplugins_dbmigration.tools.tool import Plan, Stop
from thplugins_dbmigration.turns import Turns
from thplugins_dbmigration.walk import leg
from thplugins_dbmigration.walk.course import Course

LONG = 20
"""Readings; a wait in full is longer, one that is not worth it is shorter."""


class Server:
    """Tells ``tup_updated`` once, and then never again: a session that stays open has something to report."""

    def __init__(self) -> None:
        self.readings = 0

    storage = Storage(Path("nowhere"))

    def mark(self, _address: Any) -> None:
        """Nothing is noted."""

    def statements(self, _address: Any, _mark: object) -> tuple[Statement, ...]:
        return ()

    def sizes(self, _address: Any) -> dict[str, TableSize]:
        return {}

    def schema(self, _address: Any) -> dict[object, str]:
        return {}

    def reasons(self, _address: Any) -> dict[str, str]:
        return {}

    def lock_views(self, _address: Any) -> tuple[()]:
        return ()

    def counters(self, _address: Any) -> dict[str, int | None]:
        self.readings += 1
        return {"tup_updated": 0 if self.readings == 1 else None, "wal_bytes": 0}


class Tool:
    """Has one step, which does nothing."""

    def walk(self, _build: Any, _options: Any, _project: Any, guide: Any) -> Stop:
        for step in guide.choose(Plan(frozenset("a"), frozenset("b"), (Step("b", ("a",)),))):
            guide.before(step)
            guide.after(step, True)  # noqa: FBT003 - a callback's only word
        return Stop()


@pytest.mark.parametrize(("added", "waited"), [({"b"}, True), (set(), False)], ids=["added-step", "older-step"])
def test_a_counter_that_is_kept_back_is_waited_for_only_where_a_limit_can_fail_the_step(
    added: set[str], waited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(leg, "time", SimpleNamespace(monotonic=lambda: next(clock) / 20))
    dataset = Dataset("d", tmp_path, "p", "postgresql", "db", "user", Secret("pw"), tmp_path / "seed")
    server = Server()
    with make_build(tmp_path) as build:
        project: Any = SimpleNamespace(server=server, address=None)
        walked = leg.Leg(
            build,
            Turns(build.check),
            dataset,
            "postgresql",
            project,
            Course(),
            added=lambda step: step.version in added,
        )
        tool: Any = Tool()
        walked.walk(Chosen(tool, None))
    assert (server.readings > LONG) is waited
    assert [result.result for result in walked.results] == ["ok"]


def test_a_counter_that_the_server_never_tells_again_is_waited_for_by_no_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(leg, "time", SimpleNamespace(monotonic=lambda: next(clock) / 20))

    class Forgetful(Server):
        def counters(self, _address: Any) -> dict[str, int | None]:
            self.readings += 1
            return {"blks_dirtied": 0 if self.readings == 1 else None, "wal_bytes": 0}

    server = Forgetful()
    dataset = Dataset("d", tmp_path, "p", "postgresql", "db", "user", Secret("pw"), tmp_path / "seed")
    project: Any = SimpleNamespace(server=server, address=None)
    with make_build(tmp_path) as build:
        walked = leg.Leg(build, Turns(build.check), dataset, "postgresql", project, Course(), added=lambda _step: True)
        tool: Any = Tool()
        walked.walk(Chosen(tool, None))
    assert server.readings == 3, "one before all steps, and two around the only one"


def test_steps_that_follow_each_other_at_once_share_a_calibration_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(leg, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told = iter([1.0, 2.0])
    monkeypatch.setattr(leg, "slowness", lambda *_places: next(told))
    with make_build(tmp_path) as build:
        walked: Any = leg.Leg(build, None, None, "sqlite", None, None)
        found = []
        for now[0] in (5.0, 5.9, 6.0, 6.1, 7.0):
            found.append(walked._slow())

    assert found == [1.0, 1.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("told", "slower"),
    [([3.0, 1.0], 3.0), ([1.0, 3.0], 3.0), ([None, 2.0], 2.0), ([2.0, None], 2.0), ([None] * 2, None)],
)
def test_a_step_was_as_slow_as_the_slower_of_the_calibrations_before_and_after_it(
    told: list[float | None], slower: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(step=2)  # no calibration holds until the next question
    monkeypatch.setattr(leg, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    calibrations = iter(told)
    monkeypatch.setattr(leg, "slowness", lambda *_places: next(calibrations))
    dataset = Dataset("d", tmp_path, "p", "postgresql", "db", "user", Secret("pw"), tmp_path / "seed")
    project: Any = SimpleNamespace(server=Server(), address=None)
    with make_build(tmp_path) as build:
        walked = leg.Leg(build, Turns(build.check), dataset, "postgresql", project, Course(), added=lambda _step: True)
        tool: Any = Tool()
        walked.walk(Chosen(tool, None))
    (result,) = walked.results
    assert result.measurement is not None
    assert result.measurement.slowness == slower
    assert next(calibrations, "no more") == "no more"
