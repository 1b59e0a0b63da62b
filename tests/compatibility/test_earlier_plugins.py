"""Plugins of the last minor release, as they were written, do all they did.

``N.M/`` holds a distribution that has every hook of that release. It is written when the release is made, and never
changed afterwards: the names, places and meanings that it relies on are the promise.
"""

from __future__ import annotations

import datetime
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve

from thcore import __version__
from thcore.config import convert
from thcore.model import (
    Attempt,
    BuildEvent,
    BuildEventKind,
    BuildRequest,
    Change,
    ChangeKind,
    Fence,
    LivePage,
    Severity,
    StageName,
    Verdict,
    WorkerEvent,
    WorkerEventKind,
)
from thcore.plugins import Plugins
from thcore.plugins.check import check
from thcore.plugins.subject import subjects
from thcore.testing import make_build, run_job

HERE = Path(__file__).parent
RECORDS = HERE.parent / "thcore" / "data" / "contract"
MAJOR, MINOR = (int(part) for part in __version__.split(".")[:2])
RELEASES = [name for name in (f"{MAJOR}.{MINOR - 1}", f"{MAJOR}.{MINOR}") if (HERE / name).is_dir()]
CHANGE = Change("example/project", ChangeKind.BRANCH, branch="main")
NAME = "every_hook"


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    """A minor release whose plugins must work."""
    return str(request.param)


@pytest.fixture
def module(release: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The plugin of that release, imported anew."""
    monkeypatch.syspath_prepend(HERE / release / "src")
    yield importlib.import_module("thplugins_every_hook")
    del sys.modules["thplugins_every_hook"]


@pytest.fixture
def plugins(module: ModuleType) -> Plugins:
    """The plugin, loaded."""
    loaded = Plugins()
    loaded.add(NAME, module.plugin)
    assert [str(problem) for problem in loaded.problems] == []
    return loaded


def options(plugins: Plugins, directory: Path, **more: object) -> Any:
    """Its options, read as from a configuration."""
    written = {"directory": str(directory), "limit": "1m30s", "size": "64MiB", "inner": [{"regex": "x"}], **more}
    return convert.structure(written, plugins.get(NAME).options or object, "jobs[0].plugins.every_hook")


def test_this_release_and_the_last_have_their_plugins_here() -> None:
    assert f"{MAJOR}.{MINOR}" in RELEASES
    assert MINOR == 1 or len(RELEASES) == 2


def test_a_plugin_has_every_hook_of_its_release_with_every_argument(release: str, plugins: Plugins) -> None:
    promised = json.loads((RECORDS / f"{release}.json").read_text("utf-8"))["hooks"]
    implemented = plugins.get(NAME).implementations

    assert set(implemented) == set(promised)
    for name, hook in promised.items():
        wanted = implemented[name].__code__.co_varnames[1 : implemented[name].__code__.co_argcount]
        assert set(wanted) == set(hook["arguments"]), name


@pytest.mark.system
def test_a_check_finds_nothing_that_keeps_it_from_being_used(release: str) -> None:
    (subject,) = subjects(str(HERE / release))

    assert [finding for finding in check(subject) if finding.severity is Severity.UNVERIFIED] == []


@pytest.mark.system
def test_a_whole_build_goes_through_its_stages(module: ModuleType, plugins: Plugins, tmp_path: Path) -> None:
    chosen = options(plugins, tmp_path / "share", words=["hello", "world"], mood="good", variables={"A": "b"})

    outcome, workspace = run_job(tmp_path, {NAME: module.plugin}, options={NAME: chosen}, change=CHANGE)

    assert outcome.verdict is Verdict.SUCCESS, outcome
    assert {finding.code: finding.message for finding in outcome.findings} == {
        "said": "hello world good yes job",
        "mood": "It feels good",
    }
    assert [run.name for run in outcome.stages] == list(StageName)
    assert (workspace.artifacts / "report.txt").read_text("utf-8").startswith("hello")
    assert (tmp_path / "share" / "summary.txt").read_text("utf-8").startswith("SUCCESS\njob\n")
    assert outcome.publications[-1].url == (tmp_path / "share" / "summary.txt").as_uri()
    assert {f"thcore_{stage.value}" for stage in StageName} <= set(module.plugin.called)
    assert "thcore_wrap_command" in module.plugin.called


@pytest.mark.system
def test_what_it_says_of_a_change_counts(module: ModuleType, plugins: Plugins, tmp_path: Path) -> None:
    grim = options(plugins, tmp_path / "share", mood="grim")
    outcome, _ = run_job(tmp_path / "grim", {NAME: module.plugin}, options={NAME: grim}, change=CHANGE)
    odd = evolve(CHANGE, branch="other")
    refused, _ = run_job(tmp_path / "odd", {NAME: module.plugin}, options={NAME: grim}, change=odd)

    assert outcome.verdict is Verdict.FAILURE
    assert refused.verdict is Verdict.FAILURE
    assert refused.findings[0].code == "change-odd"


def test_every_hook_around_the_stages_is_called(module: ModuleType, plugins: Plugins, tmp_path: Path) -> None:
    chosen = options(plugins, tmp_path / "share")
    settings = convert.structure({"server": "logs"}, module.Settings, "plugins.every_hook")
    now = datetime.datetime.now(datetime.UTC)
    attempt = Attempt("b1", "job", 1, tmp_path / "workspace", tmp_path / "state")

    plugins.preload(NAME)
    request = BuildRequest("b1", "job", CHANGE, {}, "45/b1")
    assert plugins.address(NAME, request, chosen, settings) == "https://logs/45/b1/"
    with make_build(tmp_path, change=CHANGE, log_path="45/b1") as build:
        assert plugins.resolve(NAME, build, chosen) == "b" * 40
        page = LivePage(Fence("worker", 1, now), {"index.html": b"<p>"})
        assert plugins.publish_live(NAME, build, chosen, page) is not None
    plugins.cleanup(NAME, attempt, chosen)
    plugins.cleanup(NAME, attempt, None)
    for kind in BuildEventKind:
        plugins.build_event(NAME, BuildEvent(kind, "b1", "job", 1, now, "execute", "ok"))
    plugins.worker_event(NAME, WorkerEvent(WorkerEventKind.STARTED, now))
    (found,) = plugins.health(NAME, settings, tmp_path, tmp_path, (chosen,))
    assert (found.message, found.hint) == ("logs", "1 jobs")
    (command,) = plugins.commands(NAME)
    assert command.name == "every-hook"

    stages = {f"thcore_{stage.value}" for stage in StageName} | {"thcore_wrap_command"}
    assert set(module.plugin.called) == set(plugins.get(NAME).hooks) - stages


def test_its_options_are_read_and_refused_as_they_were(plugins: Plugins, tmp_path: Path) -> None:
    read = options(plugins, tmp_path, way="long", token="hunter2")

    assert (read.limit, read.size, read.way, read.token.reveal()) == (90.0, 64 * 1024**2, "long", "hunter2")
    for wrong in ({"mood": "odd"}, {"way": "other"}, {"even": 3}, {"limit": "soon"}, {"unknown": 1}, {"inner": [{}]}):
        with pytest.raises(Exception, match=r"jobs\[0\]\.plugins\.every_hook"):
            options(plugins, tmp_path, **wrong)
